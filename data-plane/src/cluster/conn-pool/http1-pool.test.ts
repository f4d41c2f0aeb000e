import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { FakeClock } from '@heddle/common';
import { Deadlines } from '../../codec/http1/deadline-queue.js';
import type { PoolFailureReason, RequestSender, ResponseReceiver } from '../../codec/stream.js';
import { FakeSocket } from '../../testing/fake-socket.js';
import { RecordedResponse, requestHead } from '../../testing/recording-receivers.js';
import { ResourceManager } from '../resource-manager.js';
import { Http1Pool, type Http1PoolOptions } from './http1-pool.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';

/** A stream that was asked for, and what came of it. */
class Asked {
  readonly response = new RecordedResponse();
  sender: RequestSender | undefined;
  failure: { reason: PoolFailureReason; details: string } | undefined;

  onPoolReady(sender: RequestSender): ResponseReceiver {
    this.sender = sender;
    sender.sendRequestHeaders(requestHead('GET', '/'), true);
    return this.response;
  }

  onPoolFailure(reason: PoolFailureReason, details: string): void {
    this.failure = { reason, details };
  }
}

class PoolUnderTest {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly resources: ResourceManager;
  readonly pool: Http1Pool;

  constructor(
    options: Partial<Http1PoolOptions> = {},
    thresholds: Partial<ConstructorParameters<typeof ResourceManager>[0]> = {},
  ) {
    this.resources = new ResourceManager({
      maxConnections: 1024,
      maxPendingRequests: 1024,
      maxRequests: 1024,
      maxRetries: 3,
      retryBudget: undefined,
      trackRemaining: false,
      ...thresholds,
    });
    let id = 0;
    this.pool = new Http1Pool({
      connect: () => {
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket.asSocket();
      },
      resources: this.resources,
      deadlines: new Deadlines(this.clock),
      connectTimeoutMs: 5000,
      idleTimeoutMs: 60_000,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      codec: {
        bufferLimitBytes: 0,
        maxResponseHeadersBytes: 60 * 1024,
        maxHeadersCount: 100,
        preserveHeaderCase: false,
        enableTrailers: true,
      },
      nextConnectionId: () => ++id,
      ...options,
    });
  }

  ask(): Asked {
    const asked = new Asked();
    this.pool.newStream(asked);
    return asked;
  }

  socket(at: number): FakeSocket {
    return this.sockets[at] as FakeSocket;
  }

  connected(at: number): void {
    this.socket(at).emit('connect');
  }

  answer(at: number, text = OK): void {
    this.socket(at).emit('data', Buffer.from(text, 'latin1'));
  }

  /** Circuit breakers as they stand: connections, pending, requests. */
  get used(): number[] {
    return [
      this.resources.connections.count,
      this.resources.pendingRequests.count,
      this.resources.requests.count,
    ];
  }
}

describe('the HTTP/1.1 pool', () => {
  it('connects for a stream that finds nothing, and reuses the connection', () => {
    const under = new PoolUnderTest();
    const first = under.ask();
    assert.deepEqual(under.used, [1, 1, 0]);
    under.connected(0);
    assert.deepEqual(under.used, [1, 0, 1]);
    assert.equal(first.sender?.connection.requestsBefore, 0);
    under.answer(0);
    assert.equal(first.response.body.toString(), 'hi');
    const second = under.ask();
    assert.equal(under.sockets.length, 1);
    assert.equal(second.sender?.connection.requestsBefore, 1);
    under.answer(0);
    assert.deepEqual(under.used, [1, 0, 0]);
  });

  it('reuses the connection that became idle last', () => {
    const under = new PoolUnderTest();
    under.ask();
    under.ask();
    under.connected(0);
    under.connected(1);
    under.answer(1);
    under.answer(0);
    assert.equal(under.ask().sender?.connection.id, 1);
    assert.equal(under.ask().sender?.connection.id, 2);
  });

  it('gives a stream that waits the first connection that becomes free', () => {
    const under = new PoolUnderTest({}, { maxConnections: 1 });
    under.ask();
    under.connected(0);
    const waiting = under.ask();
    assert.equal(under.sockets.length, 1, 'no connection above the limit');
    under.answer(0);
    assert.notEqual(waiting.sender, undefined);
    under.answer(0);
    assert.equal(waiting.response.ended, true);
  });

  it('opens another when the one that was waited for is gone', () => {
    const under = new PoolUnderTest({}, { maxConnections: 1 });
    under.ask();
    under.connected(0);
    const waiting = under.ask();
    under.answer(0, 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    under.connected(1);
    assert.notEqual(waiting.sender, undefined);
  });

  it('refuses what is above max_pending_requests and max_requests', () => {
    const pending = new PoolUnderTest({}, { maxPendingRequests: 1 });
    pending.ask();
    assert.equal(pending.ask().failure?.reason, 'overflow');
    const busy = new PoolUnderTest({}, { maxRequests: 1 });
    busy.ask();
    const second = busy.ask();
    busy.connected(0);
    busy.connected(1);
    assert.equal(second.failure?.reason, 'overflow');
    assert.equal(busy.ask().failure?.reason, 'overflow');
    busy.answer(0);
    assert.equal(busy.ask().failure, undefined);
    assert.deepEqual(busy.used, [2, 0, 1]);
  });

  it('fails every stream that waits when the connection fails', async () => {
    const under = new PoolUnderTest();
    const first = under.ask();
    const second = under.ask();
    under.socket(0).destroy(new Error('connect ECONNREFUSED'));
    await settle();
    assert.deepEqual(first.failure, { reason: 'connection-failure', details: 'connect ECONNREFUSED' });
    assert.equal(second.failure?.reason, 'connection-failure');
    under.connected(1);
    assert.deepEqual(under.used, [1, 0, 0], 'the other connection is kept for later');
  });

  it('gives up connecting after connect_timeout', async () => {
    const under = new PoolUnderTest();
    const asked = under.ask();
    under.clock.advance(5400);
    await settle();
    assert.equal(asked.failure?.reason, 'connect-timeout');
    assert.deepEqual(under.used, [0, 0, 0]);
  });

  it('fails streams when connecting throws', () => {
    const under = new PoolUnderTest({
      connect: () => {
        throw new Error('no descriptors left');
      },
    });
    const asked = under.ask();
    assert.deepEqual(asked.failure, { reason: 'connection-failure', details: 'no descriptors left' });
    assert.deepEqual(under.used, [0, 0, 0]);
  });

  it('drops idle connections that the server closes or speaks on, and those idle for too long', async () => {
    const under = new PoolUnderTest();
    for (const end of [
      (socket: FakeSocket) => void socket.push(null),
      (socket: FakeSocket) => void socket.emit('data', Buffer.from('HTTP/1.1 408 Too Late\r\n\r\n')),
      () => under.clock.advance(62_000),
      (socket: FakeSocket) => void socket.destroy(new Error('reset')),
    ]) {
      const asked = under.ask();
      const at = under.sockets.length - 1;
      under.connected(at);
      under.answer(at);
      assert.equal(asked.response.ended, true);
      end(under.socket(at));
      await settle();
      assert.equal(under.pool.connections, 0);
      assert.equal(under.socket(at).destroyed, true);
      assert.deepEqual(under.used, [0, 0, 0]);
    }
  });

  it('tells that a reused connection ended before any byte of a response', async () => {
    const under = new PoolUnderTest();
    under.ask();
    under.connected(0);
    under.answer(0);
    const asked = under.ask();
    under.socket(0).push(null);
    await settle();
    await settle();
    assert.equal(asked.response.reset?.reason, 'connection-termination');
    assert.match(asked.response.reset?.details ?? '', /reused/);
    assert.equal(asked.sender?.anythingSent, true);
    assert.deepEqual(under.used, [0, 0, 0]);
  });

  it('retires connections by the number of their requests and by their age', () => {
    const counted = new PoolUnderTest({ maxRequestsPerConnection: 2 });
    counted.ask();
    counted.connected(0);
    counted.answer(0);
    counted.ask();
    counted.answer(0);
    assert.equal(counted.socket(0).destroyed, true);
    const aged = new PoolUnderTest({ maxConnectionDurationMs: 10_000, idleTimeoutMs: 0 });
    aged.ask();
    aged.connected(0);
    aged.clock.advance(11_000);
    assert.equal(aged.socket(0).destroyed, false, 'a request is under way');
    aged.answer(0);
    assert.equal(aged.socket(0).destroyed, true);
  });

  it('drains: idle connections close, busy ones when their stream ends, and says when all is done', () => {
    const under = new PoolUnderTest();
    let idle = 0;
    under.pool.onIdle = () => idle++;
    const first = under.ask();
    under.ask();
    under.connected(0);
    under.connected(1);
    under.answer(1);
    under.pool.drain();
    assert.equal(under.socket(1).destroyed, true);
    assert.equal(idle, 0);
    assert.equal(under.ask().failure?.reason, 'connection-failure');
    under.answer(0);
    assert.equal(first.response.ended, true);
    assert.equal(under.socket(0).destroyed, true);
    assert.equal(idle, 1);
  });

  it('closes: streams are told, and nothing is left', async () => {
    const under = new PoolUnderTest();
    let idle = 0;
    under.pool.onIdle = () => idle++;
    const busy = under.ask();
    under.connected(0);
    const waiting = under.ask();
    under.pool.close();
    await settle();
    assert.equal(busy.response.reset?.reason, 'connection-termination');
    assert.equal(waiting.failure?.reason, 'connection-failure');
    assert.deepEqual(under.used, [0, 0, 0]);
    assert.equal(idle, 1);
    under.clock.advance(100_000);
    assert.equal(under.clock.pendingTimers, 0);
  });

  it('forgets streams that stop waiting', () => {
    const under = new PoolUnderTest();
    const asked = new Asked();
    under.pool.newStream(asked)?.cancel();
    assert.deepEqual(under.used, [1, 0, 0]);
    under.connected(0);
    assert.equal(asked.sender, undefined);
    assert.notEqual(under.ask().sender, undefined, 'the connection serves the next one');
  });

  for (const how of ['ends', 'breaks'] as const) {
    it(`gives no stream a connection that ${how} and has not closed yet`, async () => {
      const under = new PoolUnderTest();
      under.ask();
      under.connected(0);
      under.answer(0);
      if (how === 'ends') under.socket(0).emit('end');
      else under.socket(0).destroy();
      const next = under.ask();
      assert.equal(under.sockets.length, 2, 'another one is opened at once');
      under.connected(1);
      under.answer(1);
      assert.equal(next.response.body.toString(), 'hi');
      await settle();
      assert.deepEqual(under.used, [1, 0, 0]);
    });
  }
});
