import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import {
  RecordedResponse,
  RecordingServer,
  requestHead,
  responseHead,
} from '../testing/recording-receivers.js';
import { FakeMultiplexPool, FakeMultiplexServer } from './fake-multiplex-codec.js';
import type { PoolFailureReason, RequestSender, ResponseReceiver } from './stream.js';

class Asked extends RecordedResponse {
  sender: RequestSender | undefined;
  failure: PoolFailureReason | undefined;

  onPoolReady(sender: RequestSender): ResponseReceiver {
    this.sender = sender;
    return this;
  }

  onPoolFailure(reason: PoolFailureReason): void {
    this.failure = reason;
  }
}

function ask(pool: FakeMultiplexPool): Asked {
  const asked = new Asked();
  pool.newStream(asked);
  return asked;
}

describe('the stream interface with many streams on one connection', () => {
  it('lets responses come in any order, and one reset touch no other', () => {
    const pool = new FakeMultiplexPool({ maxStreamsPerConnection: 3 });
    const asked = [ask(pool), ask(pool), ask(pool)];
    for (const one of asked) one.sender?.sendRequestHeaders(requestHead('GET', '/'), true);
    assert.equal(pool.connections, 1);
    pool.streams[2]?.respondHeaders(responseHead(203), true);
    pool.streams[0]?.respondReset('remote-refused');
    pool.streams[1]?.respondHeaders(responseHead(202), false);
    pool.streams[1]?.respondData(Buffer.from('x'), true);
    assert.deepEqual(
      asked.map((one) => one.head?.status),
      [undefined, 202, 203],
    );
    assert.equal(asked[0]?.reset?.reason, 'remote-refused');
    assert.equal(pool.activeStreams, 0);
    ask(pool);
    assert.equal(pool.connections, 1, 'the connection goes on');
    for (let i = 0; i < 3; i++) ask(pool);
    assert.equal(pool.connections, 2, 'and is not overfilled');
  });

  it('ends one side before the other, and drains when the last stream ends', () => {
    const pool = new FakeMultiplexPool();
    let idle = 0;
    pool.onIdle = () => idle++;
    const asked = ask(pool);
    asked.sender?.sendRequestHeaders(requestHead('POST', '/'), false);
    pool.streams[0]?.respondHeaders(responseHead(200), true);
    assert.equal(pool.activeStreams, 1);
    pool.drain();
    assert.equal(idle, 0);
    asked.sender?.sendRequestData(Buffer.from('end'), true);
    assert.equal(idle, 1);
    assert.equal(ask(pool).failure, 'connection-failure');
  });

  it('makes streams wait, and says when the connection comes or fails', () => {
    const pool = new FakeMultiplexPool({ connectsAtOnce: false });
    const first = ask(pool);
    assert.equal(pool.pendingStreams, 1);
    pool.failNow('connect-timeout');
    assert.equal(first.failure, 'connect-timeout');
    const second = ask(pool);
    pool.connectNow();
    assert.notEqual(second.sender, undefined);
  });

  it('serves many requests of one client at once', () => {
    const server = new RecordingServer();
    const connection = new FakeMultiplexServer(server);
    const one = connection.request(requestHead('GET', '/1'), true);
    const two = connection.request(requestHead('POST', '/2'), false);
    server.requests[1]?.sender.sendResponseHeaders(responseHead(200), true);
    connection.drain();
    assert.equal(connection.isClosed, false);
    two.requestData(Buffer.from('x'), true);
    one.requestReset('remote-reset');
    assert.equal(server.requests[0]?.reset?.reason, 'remote-reset');
    assert.equal(server.requests[1]?.body.toString(), 'x');
    assert.equal(two.responseHead?.status, 200);
    assert.equal(connection.isClosed, true);
    assert.equal(server.closed, true);
  });
});
