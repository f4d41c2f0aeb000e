import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { DEFAULT_HTTP2_CONFIG, type TlsInfo } from '@heddle/engine';
import { Deadlines } from '../../codec/http1/deadline-queue.js';
import { Http2Stats } from '../../codec/http2/http2-stats.js';
import type { RequestSender, ResponseReceiver } from '../../codec/stream.js';
import { StatsStore } from '../../stats/stats-store.js';
import { FakeSocket } from '../../testing/fake-socket.js';
import { RecordedResponse, requestHead } from '../../testing/recording-receivers.js';
import { ResourceManager } from '../resource-manager.js';
import { AutoPool } from './auto-pool.js';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';

describe('the pool of what is agreed on', () => {
  for (const agreed of ['h2', 'istio-h2']) {
    it(`speaks HTTP/2 where TLS agrees on ${agreed}, with one connection for all who wait`, () => {
      const under = new PoolUnderTest();
      const asked = [under.ask(), under.ask(), under.ask()];
      under.connected(0, agreed);
      assert.deepEqual(under.protocols(asked), ['HTTP/2', 'HTTP/2', 'HTTP/2']);
      assert.equal(under.sockets.length, 1);
      assert.deepEqual(under.agreed, ['http2']);
    });
  }

  for (const agreed of ['http/1.1', 'istio-http/1.1', 'istio', '', undefined]) {
    it(`speaks HTTP/1.1 where ${agreed === undefined ? 'there is no TLS' : `TLS agrees on "${agreed}"`}`, () => {
      const under = new PoolUnderTest();
      const asked = under.ask();
      under.connected(0, agreed);
      assert.deepEqual(under.protocols([asked]), ['HTTP/1.1']);
      under.answer(0);
      assert.equal(asked.response.body.toString(), 'hi');
      assert.deepEqual(under.protocols([under.ask()]), ['HTTP/1.1']);
      assert.equal(under.sockets.length, 1, 'the connection is used again');
    });
  }

  it('opens a connection for each of those who wait, once it knows that they cannot share one', () => {
    const under = new PoolUnderTest();
    const asked = [under.ask(), under.ask(), under.ask()];
    assert.equal(under.sockets.length, 1);
    under.connected(0, 'http/1.1');
    assert.equal(under.sockets.length, 3);
    under.connected(1, 'http/1.1');
    under.connected(2, 'http/1.1');
    assert.deepEqual(under.protocols(asked), ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1']);
    under.ask();
    under.ask();
    assert.equal(under.sockets.length, 5, 'what was spoken last is expected of the next');
  });

  it('opens no more of them than the circuit breakers allow', () => {
    const under = new PoolUnderTest({ maxConnections: 2 });
    const asked = [under.ask(), under.ask(), under.ask()];
    under.connected(0, 'http/1.1');
    assert.equal(under.sockets.length, 2);
    under.connected(1, 'http/1.1');
    under.answer(0);
    assert.deepEqual(under.protocols(asked), ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1']);
  });

  it('has connections of both kinds while the host changes its mind, and closes both', () => {
    const under = new PoolUnderTest();
    const old = under.ask();
    under.connected(0, 'http/1.1');
    const young = under.ask();
    under.connected(1, 'h2');
    under.answer(0);
    assert.deepEqual(under.protocols([old, young]), ['HTTP/1.1', 'HTTP/2']);
    assert.deepEqual(under.protocols([under.ask()]), ['HTTP/2'], 'streams share it');
    under.pool.drain();
    assert.equal(under.socket(0).destroyed, true);
    assert.equal(under.socket(1).destroyed, false, 'it has streams');
    under.pool.close();
    assert.equal(under.pool.connections, 0);
    assert.deepEqual([under.resources.connections.count, under.resources.requests.count], [0, 0]);
  });

  it('tells who waits of a connection that cannot be made', () => {
    const under = new PoolUnderTest();
    const asked = under.ask();
    under.socket(0).destroy();
    under.socket(0).emit('close');
    assert.equal(asked.failure, 'connection-failure');
  });
});

/** A stream that was asked for, and what came of it. */
class Asked {
  readonly response = new RecordedResponse();
  protocol: string | undefined;
  failure: string | undefined;

  onPoolReady(sender: RequestSender): ResponseReceiver {
    this.protocol = sender.connection.protocol;
    sender.sendRequestHeaders(requestHead('GET', '/'), true);
    return this.response;
  }

  onPoolFailure(reason: string): void {
    this.failure = reason;
  }
}

class PoolUnderTest {
  readonly sockets: FakeSocket[] = [];
  readonly agreed: string[] = [];
  readonly resources: ResourceManager;
  readonly pool: AutoPool;
  readonly #tls = new Map<unknown, TlsInfo>();

  constructor(thresholds: { readonly maxConnections?: number } = {}) {
    this.resources = new ResourceManager({
      maxConnections: 1024,
      maxPendingRequests: 1024,
      maxRequests: 1024,
      maxRetries: 3,
      retryBudget: undefined,
      trackRemaining: false,
      ...thresholds,
    });
    const limits = { bufferLimitBytes: 0, maxResponseHeadersBytes: 60 * 1024, maxHeadersCount: 100 };
    let id = 0;
    this.pool = new AutoPool({
      connect: () => {
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket.asSocket();
      },
      tlsInfoOf: (socket) => this.#tls.get(socket),
      resources: this.resources,
      deadlines: new Deadlines(new FakeClock()),
      connectTimeoutMs: 5000,
      idleTimeoutMs: 60_000,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      http1: { ...limits, preserveHeaderCase: false, enableTrailers: true },
      http2: {
        ...limits,
        http2: DEFAULT_HTTP2_CONFIG,
        stats: new Http2Stats(new StatsStore(), 'cluster.http2', []),
      },
      onAgreed: (protocol) => this.agreed.push(protocol),
      nextConnectionId: () => ++id,
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

  /** `agreed` undefined: by plain text. */
  connected(at: number, agreed: string | undefined): void {
    const socket = this.socket(at);
    if (agreed !== undefined) this.#tls.set(socket, { applicationProtocol: agreed } as TlsInfo);
    socket.emit('connect');
  }

  answer(at: number): void {
    this.socket(at).emit('data', Buffer.from(OK, 'latin1'));
  }

  protocols(asked: readonly Asked[]): (string | undefined)[] {
    return asked.map(({ protocol }) => protocol);
  }
}
