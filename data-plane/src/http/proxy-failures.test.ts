import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ForwardAction, HttpConnectionManagerConfig, RouteEntryConfig } from '@heddle/engine';
import {
  clusterConfig,
  endpoint,
  eventually,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  ROUTER,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

/** Answers what a test says, byte by byte. */
type Behaviour = (socket: Socket, request: string) => void;

describe('a request that goes wrong', () => {
  let proxy: TestProxy;
  let upstream: Server;
  let behave: Behaviour;
  const upstreamSockets = new Set<Socket>();
  const clients: RawClient[] = [];

  beforeEach(async () => {
    proxy = new TestProxy();
    upstream = createServer({ allowHalfOpen: true }, (socket) => {
      upstreamSockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => upstreamSockets.delete(socket));
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        behave(socket, text);
      });
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    for (const socket of upstreamSockets) socket.destroy();
    await new Promise((resolve) => upstream.close(resolve));
  });

  async function start(
    action: Partial<ForwardAction> = {},
    manager: Partial<HttpConnectionManagerConfig> = {},
    route: Partial<RouteEntryConfig> = {},
  ): Promise<RawClient> {
    const { port } = upstream.address() as AddressInfo;
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)])], []);
    const routes = routeConfig([forwardRoute('/', 'backend', action, route)]);
    const config = managerConfig(routes, { accessLogs: [proxy.accessLog()], ...manager });
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(config)], []), []);
    const client = new RawClient(proxy.port());
    clients.push(client);
    return client;
  }

  async function lastLine(): Promise<Record<string, unknown>> {
    const lines = await proxy.logLines();
    return lines.at(-1) ?? {};
  }

  it('is answered 504 with UT when the route times out', async () => {
    behave = () => undefined;
    const client = await start({ timeoutMs: 30 });
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const text = await client.until((all) => all.endsWith('upstream request timeout'));
    assert.match(text, /^HTTP\/1\.1 504 /);
    const line = await lastLine();
    assert.equal(line['response_flags'], 'UT');
    assert.equal(line['response_code_details'], 'response_timeout');
    assert.equal(proxy.counter('cluster.upstream_rq_timeout'), 1);
  });

  it('is answered 408 with SI when the client stops sending, and 504 when the upstream does', async () => {
    behave = () => undefined;
    const client = await start({ timeoutMs: 0 }, { streamIdleTimeoutMs: 30 });
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n');
    assert.match(await client.until((all) => all.endsWith('stream timeout')), /^HTTP\/1\.1 408 /);
    assert.equal((await lastLine())['response_flags'], 'SI');
    const second = new RawClient(proxy.port());
    clients.push(second);
    second.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await second.until((all) => all.endsWith('stream timeout')), /^HTTP\/1\.1 504 /);
  });

  it('is answered 408 when the whole request does not come in time', async () => {
    behave = () => undefined;
    const client = await start({}, { requestTimeoutMs: 30 });
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n');
    assert.match(await client.until((all) => all.endsWith('request timeout')), /^HTTP\/1\.1 408 /);
    assert.equal((await lastLine())['response_code_details'], 'request_overall_timeout');
  });

  it('is answered 503 with UC when the upstream closes before it answers', async () => {
    behave = (socket) => socket.end();
    const client = await start();
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await client.until((all) => all.includes('connection termination')), /^HTTP\/1\.1 503 /);
    assert.equal((await lastLine())['response_flags'], 'UC');
  });

  it('is answered 502 with UPE when the upstream breaks the protocol', async () => {
    behave = (socket) => socket.write('no http\r\n\r\n');
    const client = await start();
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await client.until((all) => all.includes('protocol error')), /^HTTP\/1\.1 502 /);
    assert.equal((await lastLine())['response_flags'], 'UPE');
  });

  it('is answered 502 when a rewrite made a head that cannot be written', async () => {
    behave = () => assert.fail('nothing may reach the upstream');
    const client = await start({ hostRewrite: { kind: 'literal', value: 'a b' } });
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await client.until((all) => all.includes('protocol error')), /^HTTP\/1\.1 502 /);
  });

  it('sees the response break off when the upstream breaks off in the middle of it', async () => {
    behave = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
    const client = await start();
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const text = await client.untilEnd();
    assert.match(text, /half$/);
    const line = await lastLine();
    assert.equal(line['response_code'], 200);
    assert.match(String(line['response_code_details']), /^upstream_reset_after_response_started/);
  });

  it('is logged with DC when the client goes away, and the upstream is let go', async () => {
    const reached = new Promise<Socket>((resolve) => (behave = (socket) => resolve(socket)));
    const client = await start();
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const socket = await reached;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    client.close();
    socket.on('end', () => socket.end());
    await closed;
    const line = await lastLine();
    assert.equal(line['response_flags'], 'DC');
    assert.equal(line['response_code'], 0);
    assert.equal(proxy.counter('http.downstream_rq_active'), 0);
    assert.equal(proxy.counter('cluster.upstream_rq_active'), 0);
  });

  it('is answered 403 when it asks for an upgrade that is not allowed', async () => {
    behave = () => undefined;
    const client = await start();
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 403 /);
    assert.equal((await lastLine())['response_code_details'], 'upgrade_failed');
  });

  it('is no tunnel when a CONNECT is answered by the proxy itself', async () => {
    const { match } = forwardRoute('/', 'backend');
    const client = await start(
      {},
      {},
      {
        match: { ...match, path: { kind: 'connect' } },
        action: { kind: 'direct-response', status: 200, body: 'no tunnel here' },
      },
    );
    client.write('CONNECT shop:80 HTTP/1.1\r\nhost: shop:80\r\n\r\n');
    await client.until((all) => all.endsWith('no tunnel here'));
    await eventually(() => proxy.counter('http.downstream_rq_active') === 0);
    assert.equal(proxy.counter('http.downstream_cx_upgrades_total'), 0);
  });

  it('is tunnelled both ways when the upgrade is allowed, and logged when the tunnel ends', async () => {
    behave = (socket, request) => {
      if (request.endsWith('\r\n\r\n')) {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello',
        );
      } else if (request.endsWith('ping')) {
        socket.end('pong');
      }
    };
    const client = await start({}, { upgradeTypes: ['websocket'] });
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    await client.until((all) => all.endsWith('hello'));
    assert.equal(proxy.counter('http.downstream_cx_upgrades_active'), 1);
    client.write('ping');
    assert.match(await client.until((all) => all.endsWith('pong')), /^HTTP\/1\.1 101 /);
    client.socket.end();
    await client.untilEnd();
    await eventually(() => proxy.counter('http.downstream_cx_upgrades_active') === 0);
    const line = await lastLine();
    assert.equal(line['response_code'], 101);
    assert.equal(line['bytes_received'], 4);
    assert.equal(line['bytes_sent'], 9);
  });

  it('is answered in gRPC when it is gRPC', async () => {
    behave = (socket) => socket.end();
    const client = await start();
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n');
    const text = await client.until((all) => all.includes('\r\n\r\n'));
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.match(text, /\r\ngrpc-status: 14\r\n/);
    assert.match(text, /\r\ngrpc-message: upstream connect error/);
  });

  it('is delayed and aborted by injected faults', async () => {
    behave = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    const config = {
      delay: { source: { kind: 'fixed', delayMs: 20 }, ratio: 1 },
      abort: { source: { kind: 'http', status: 555 }, ratio: 1 },
      headers: [],
      upstreamCluster: 'backend',
      downstreamNodes: [],
      maxActiveFaults: undefined,
    };
    const fault = {
      name: 'fault',
      typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
      config,
      disabled: false,
    };
    const client = await start({}, { httpFilters: [fault, ROUTER] });
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await client.until((all) => all.endsWith('fault filter abort')), /^HTTP\/1\.1 555 /);
    const line = await lastLine();
    assert.equal(line['response_flags'], 'DI,FI');
    assert.ok(Number(line['duration']) >= 19);
    assert.equal(proxy.counter('http.fault.active_faults'), 0);
    assert.equal(upstreamSockets.size, 0);
  });

  it('passes 1xx on, and a response that comes before the request has ended', async () => {
    behave = (socket, request) => {
      if (request.endsWith('\r\n\r\n')) {
        socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
        socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
      }
    };
    const client = await start();
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n');
    const text = await client.untilEnd();
    assert.match(text, /^HTTP\/1\.1 103 [^]*\r\n\r\nHTTP\/1\.1 403 [^]*\r\n\r\nno$/);
    assert.equal((await lastLine())['response_code'], 403);
    assert.equal(proxy.counter('cluster.upstream_rq_active'), 0);
  });

  it('does not fill the memory when the client does not read', async () => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    let stalled: (() => void) | undefined;
    const isStalled = new Promise<void>((resolve) => (stalled = resolve));
    behave = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n');
      const pump = (): void => {
        while (!socket.destroyed && sent < 500 * 1024 * 1024) {
          sent += piece.length;
          if (!socket.write(piece)) {
            const timer = setTimeout(() => stalled?.(), 200);
            socket.once('drain', () => {
              clearTimeout(timer);
              pump();
            });
            return;
          }
        }
      };
      pump();
    };
    const client = await start();
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await isStalled;
    // What the kernel holds on four sockets, and a megabyte in the proxy: far from what the upstream would send.
    assert.ok(sent < 100 * 1024 * 1024, `${sent} bytes were taken`);
    const before = process.memoryUsage().arrayBuffers;
    assert.ok(before < 64 * 1024 * 1024, `${before} bytes are held`);
  });

  it('does not fill the memory when the upstream does not read', async () => {
    behave = (socket) => socket.pause();
    const client = await start({ timeoutMs: 0 });
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n');
    const piece = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    await new Promise<void>((resolve) => {
      const pump = (): void => {
        while (sent < 500 * 1024 * 1024) {
          sent += piece.length;
          if (!client.socket.write(piece)) {
            const timer = setTimeout(resolve, 200);
            client.socket.once('drain', () => {
              clearTimeout(timer);
              pump();
            });
            return;
          }
        }
        resolve();
      };
      pump();
    });
    assert.ok(sent < 100 * 1024 * 1024, `${sent} bytes were taken`);
  });
});
