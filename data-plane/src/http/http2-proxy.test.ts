import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  DEFAULT_HTTP2_CONFIG,
  type ClusterConfig,
  type ForwardAction,
  type HttpConnectionManagerConfig,
} from '@heddle/engine';
import { CLIENT_PREFACE, Flag, FrameType } from '../codec/http2/frame.js';
import { frame, readFrames } from '../testing/http2-under-test.js';
import { Http2Client, startHttp2Backend, type Http2Answer } from '../testing/http2-peers.js';
import {
  clusterConfig,
  endpoint,
  eventually,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  startBackend,
  TestProxy,
} from '../testing/proxy-under-test.js';

type Backend = Pick<Awaited<ReturnType<typeof startHttp2Backend>>, 'port' | 'close'>;

const http2Cluster = (port: number, config: Partial<ClusterConfig> = {}): ClusterConfig => {
  const made = clusterConfig('backend', [endpoint(port)], config);
  return { ...made, protocol: { ...made.protocol, codec: 'http2' } };
};

async function serve(
  proxy: TestProxy,
  cluster: ClusterConfig,
  manager: Partial<HttpConnectionManagerConfig> = {},
  action: Partial<ForwardAction> = {},
): Promise<number> {
  assert.deepEqual(proxy.clusters.apply([cluster], []), []);
  const routes = routeConfig([forwardRoute('/', 'backend', action)]);
  const config = managerConfig(routes, { accessLogs: [proxy.accessLog()], ...manager });
  assert.deepEqual(await proxy.listeners.apply([listenerConfig(config)], []), []);
  return proxy.port();
}

/** Small, so that bodies go through many rounds of back-pressure. */
const SMALL_BUFFERS = { perConnectionBufferLimitBytes: 32 * 1024 };
const BODIES = [0, 1, 1000, 16_384, 70_000, 1_500_000].map((bytes) => randomBytes(bytes));

for (const [downstream, upstream] of [
  ['HTTP/2', 'HTTP/2'],
  ['HTTP/2', 'HTTP/1.1'],
  ['HTTP/1.1', 'HTTP/2'],
] as const) {
  describe(`bodies that come by ${downstream} and go on by ${upstream}`, () => {
    const proxy = new TestProxy();
    const agent = new Agent({ keepAlive: true });
    let backend: Backend;
    let client: Http2Client;
    let port = 0;

    before(async () => {
      backend =
        upstream === 'HTTP/2'
          ? await startHttp2Backend((stream) => {
              stream.respond({ ':status': 200, 'x-backend': 'yes' });
              stream.pipe(stream);
            })
          : await startBackend((request, response) => request.pipe(response));
      const cluster =
        upstream === 'HTTP/2'
          ? http2Cluster(backend.port, SMALL_BUFFERS)
          : clusterConfig('backend', [endpoint(backend.port)], SMALL_BUFFERS);
      port = await serve(proxy, cluster);
      client = new Http2Client(port);
    });

    after(async () => {
      client.close();
      agent.destroy();
      await proxy.close();
      await backend.close();
    });

    const send = (body: Buffer, pauses: boolean): Promise<Buffer> =>
      downstream === 'HTTP/2'
        ? client.request({ ':method': 'POST', ':path': '/' }, body, { pauses }).then((answer) => answer.body)
        : sendHttp1(port, agent, body, pauses);

    it('come back byte for byte, many at once, also to readers that pause', async () => {
      const sent = [...BODIES, ...BODIES, ...BODIES];
      const received = await Promise.all(sent.map((body, i) => send(body, i % 3 === 1)));
      received.forEach((body, i) => {
        const expected = sent[i] as Buffer;
        assert.ok(body.equals(expected), `${body.length} of ${expected.length} bytes, or others`);
      });
    });
  });
}

describe('a proxy that speaks HTTP/2', () => {
  let proxy = new TestProxy();
  const closing: (() => void | Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await proxy.close();
    proxy = new TestProxy();
  });

  async function backend(
    onStream: Parameters<typeof startHttp2Backend>[0],
    options: Parameters<typeof startHttp2Backend>[1] = {},
  ): Promise<Awaited<ReturnType<typeof startHttp2Backend>>> {
    const started = await startHttp2Backend(onStream, options);
    closing.push(started.close);
    return started;
  }

  function client(port: number): Http2Client {
    const made = new Http2Client(port);
    closing.push(() => made.close());
    return made;
  }

  const get = (path = '/'): Record<string, string> => ({
    ':method': 'GET',
    ':path': path,
    ':authority': 'shop',
  });

  it('passes on heads, informational answers and trailers both ways', async () => {
    const { port } = await backend((stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond(
        { ':status': 201, 'x-cookie': String(headers.cookie), 'x-host': headers[':authority'] },
        { waitForTrailers: true },
      );
      let trailer = '';
      stream.on('trailers', (trailers) => (trailer = String(trailers['x-sum'])));
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': trailer }));
      stream.resume();
      stream.on('end', () => stream.end('done'));
    });
    const listening = await serve(proxy, http2Cluster(port));
    const head = { ...get(), ':method': 'POST', cookie: 'a=1; b=2' };
    const answer = await client(listening).request(head, Buffer.from('body'), {
      trailers: { 'x-sum': '42' },
    });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers['x-cookie'], 'a=1; b=2');
    assert.equal(answer.headers['x-host'], 'shop');
    assert.equal(answer.informational[0]?.['link'], '</a>');
    assert.equal(answer.trailers['x-sum'], '42');
    const [line] = await proxy.logLines();
    assert.equal(line?.['protocol'], 'HTTP/2');
    assert.equal(proxy.counter('http.downstream_cx_http2_total'), 1);
    assert.equal(proxy.counter('cluster.upstream_cx_http2_total'), 1);
  });

  it('takes HTTP/1.1 and HTTP/2 on one port, however the first bytes are cut', async () => {
    const { port } = await backend((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
    const listening = await serve(proxy, http2Cluster(port));
    for (const first of ['P', 'PR', 'PO', 'PRI * HTTP/', 'GET / H']) {
      const raw = new RawClient(listening);
      closing.push(() => raw.close());
      raw.write(first);
      await eventually(() => proxy.counter('http.downstream_cx_active') > 0);
      const isHttp2 = 'PRI * HTTP/2'.startsWith(first) && first !== 'P';
      const rest = isHttp2 ? 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' : 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
      const whole =
        first === 'PO' || first === 'P' ? 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n' : rest;
      raw.write(whole.slice(first.length) + (isHttp2 ? '\0\0\0\x04\0\0\0\0\0' : ''));
      await raw.until((text) => (isHttp2 ? text.charCodeAt(3) === 4 : text.startsWith('HTTP/1.1 200')));
    }
  });

  it('spreads streams over one connection, and opens another when the server takes no more', async () => {
    const waiting: ServerHttp2Stream[] = [];
    const { port, sessions } = await backend((stream) => void waiting.push(stream), {
      settings: { maxConcurrentStreams: 3 },
    });
    const listening = await serve(proxy, http2Cluster(port));
    const one = client(listening);
    const answers: Promise<Http2Answer>[] = [one.request(get())];
    await eventually(() => waiting.length === 1);
    for (let i = 0; i < 4; i++) answers.push(one.request(get()));
    await eventually(() => waiting.length === 5);
    assert.equal(sessions.size, 2);
    for (const stream of waiting) {
      stream.respond({ ':status': 200 });
      stream.end();
    }
    assert.deepEqual(
      (await Promise.all(answers)).map(({ status }) => status),
      [200, 200, 200, 200, 200],
    );
  });

  it('sends a request elsewhere that a server which goes away did not take', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      const isFirst = connections++ === 0;
      socket.on('error', () => undefined);
      socket.write(frame(FrameType.Settings, 0, 0));
      let bytes = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
        const frames =
          bytes.length < CLIENT_PREFACE.length ? [] : readFrames(bytes.subarray(CLIENT_PREFACE.length));
        if (!frames.some(({ type }) => type === FrameType.Headers)) return;
        // What came after stream 0 was not looked at; and `:status: 204`.
        if (isFirst) socket.end(frame(FrameType.GoAway, 0, 0, Buffer.alloc(8)));
        else socket.write(frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, 1, Buffer.of(0x89)));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => void server.close());
    const listening = await serve(proxy, http2Cluster((server.address() as AddressInfo).port));
    const answer = await client(listening).request({ ...get(), ':method': 'POST' });
    assert.equal(answer.status, 204);
    assert.equal(proxy.counter('cluster.upstream_rq_moved'), 1);
  });

  it('answers a stream that the server resets with 503, and counts it', async () => {
    const { port } = await backend((stream) => stream.close(2));
    const listening = await serve(proxy, http2Cluster(port));
    const answer = await client(listening).request(get());
    assert.equal(answer.status, 503);
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'UR');
    assert.equal(line?.['response_code_details'], 'upstream_reset_before_response_started{remote_reset}');
  });

  it('answers calls by gRPC that it cannot serve with a status alone', async () => {
    const listening = await serve(proxy, http2Cluster(1));
    const answer = await client(listening).request(
      { ...get(), ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' },
      Buffer.alloc(5),
    );
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['grpc-status'], '14');
    assert.match(String(answer.headers['grpc-message']), /^upstream connect error/);
    assert.equal(answer.body.length, 0);
  });

  it('ends the stream to the server when the client gives its own up', async () => {
    let closed = 0;
    const { port } = await backend((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('some');
      stream.on('close', () => closed++);
    });
    const listening = await serve(proxy, http2Cluster(port));
    const { session } = client(listening);
    const stream = session.request(get());
    stream.on('error', () => undefined);
    stream.once('data', () => stream.close(8));
    stream.resume();
    await eventually(() => closed === 1);
    await eventually(() => proxy.counter('http.downstream_rq_active') === 0);
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'DC');
    // The connections of both sides go on.
    assert.equal(proxy.counter('cluster.upstream_cx_active'), 1);
  });

  it('tells clients to go elsewhere when it drains, and answers what they asked before', async () => {
    const waiting: ServerHttp2Stream[] = [];
    const { port } = await backend((stream) => void waiting.push(stream));
    const listening = await serve(proxy, http2Cluster(port));
    const one = client(listening);
    const answer = one.request(get());
    await eventually(() => waiting.length === 1);
    const drained = new Promise<void>((resolve) => proxy.listeners.drain({}, resolve));
    await eventually(() => one.goAway);
    waiting[0]?.respond({ ':status': 200 });
    waiting[0]?.end('late');
    assert.equal((await answer).body.toString(), 'late');
    await drained;
  });

  it('tells a client whose first bytes come after the drain has begun, whatever it speaks', async () => {
    const { port } = await backend((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('late');
    });
    const listening = await serve(proxy, http2Cluster(port));
    const plain = new RawClient(listening);
    await eventually(() => proxy.counter('http.downstream_cx_active') === 1);
    const drained = new Promise<void>((resolve) => proxy.listeners.drain({}, resolve));
    plain.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await plain.untilEnd(), /\r\nconnection: close\r\n[^]*late/);
    plain.close();
    await drained;
  });

  it('follows the client where a cluster is told to', async () => {
    const { port } = await backend((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('by HTTP/2');
    });
    const cluster = http2Cluster(port);
    const listening = await serve(proxy, {
      ...cluster,
      protocol: { ...cluster.protocol, codec: 'use-downstream' },
    });
    assert.equal((await client(listening).request(get())).body.toString(), 'by HTTP/2');
  });

  for (const upstream of ['HTTP/1.1', 'HTTP/2'] as const) {
    it(`tunnels WebSocket that is asked for by HTTP/2 to ${upstream}`, async () => {
      let port: number;
      let cluster: ClusterConfig;
      if (upstream === 'HTTP/2') {
        const options = { settings: { enableConnectProtocol: true } };
        ({ port } = await backend((stream, headers) => {
          stream.respond({ ':status': 200, 'x-protocol': String(headers[':protocol']) });
          stream.pipe(stream);
        }, options));
        cluster = http2Cluster(port);
      } else {
        const started = await startBackend(() => undefined);
        closing.push(started.close);
        started.server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
          const protocol = String(request.headers.upgrade);
          socket.write(
            `HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\nx-protocol: ${protocol}\r\n\r\n`,
          );
          socket.pipe(socket);
        });
        cluster = clusterConfig('backend', [endpoint(started.port)]);
      }
      const http2 = { ...DEFAULT_HTTP2_CONFIG, allowConnect: true };
      const listening = await serve(proxy, cluster, { http2, upgradeTypes: ['websocket'] });
      const { session } = client(listening);
      await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
      const head = {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/chat',
        ':authority': 'shop',
        ':scheme': 'http',
      };
      const stream = session.request(head, { endStream: false });
      let status: unknown;
      let protocol: unknown;
      stream.on('response', (headers) => {
        status = headers[':status'];
        protocol = headers['x-protocol'];
        stream.write('first');
      });
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text === 'first') stream.end(' and last');
      });
      await new Promise<void>((resolve) => stream.on('end', resolve));
      assert.deepEqual([status, protocol, text], [200, 'websocket', 'first and last']);
      await eventually(() => proxy.counter('http.downstream_rq_active') === 0);
    });
  }

  it('tunnels WebSocket that is asked for by HTTP/1.1 to HTTP/2', async () => {
    const asked: unknown[] = [];
    const { port } = await backend(
      (stream, headers) => {
        asked.push(headers[':method'], headers[':protocol'], headers[':path'], headers['connection']);
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
      { settings: { enableConnectProtocol: true } },
    );
    const listening = await serve(proxy, http2Cluster(port), { upgradeTypes: ['websocket'] });
    const raw = new RawClient(listening);
    closing.push(() => void raw.socket.destroy());
    raw.write('GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    const head = await raw.until((text) => text.endsWith('\r\n\r\n'));
    assert.match(head, /^HTTP\/1\.1 101 .*\r\n(?:.*\r\n)*connection: upgrade\r\nupgrade: websocket\r\n/);
    assert.deepEqual(asked, ['CONNECT', 'websocket', '/chat', undefined]);
    raw.write('ping');
    await raw.until((text) => text.endsWith('ping'));
    raw.socket.end();
    await raw.untilEnd();
    await eventually(() => proxy.counter('http.downstream_cx_upgrades_active') === 0);
  });

  it('answers 502 where a server of HTTP/2 takes no WebSocket', async () => {
    const { port } = await backend((stream) => stream.respond({ ':status': 200 }, { endStream: true }));
    const listening = await serve(proxy, http2Cluster(port), { upgradeTypes: ['websocket'] });
    // The server's SETTINGS have come with the answer to this.
    assert.equal((await client(listening).request(get())).status, 200);
    const raw = new RawClient(listening);
    closing.push(() => void raw.socket.destroy());
    raw.write('GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    assert.match(await raw.until((text) => text.includes('\r\n\r\n')), /^HTTP\/1\.1 502 /);
  });

  it('refuses streams above what it offers, within one connection', async () => {
    const waiting: ServerHttp2Stream[] = [];
    const { port } = await backend((stream) => void waiting.push(stream));
    const thresholds = {
      maxConnections: 1,
      maxPendingRequests: 1,
      maxRequests: 2,
      maxRetries: 0,
      retryBudget: undefined,
      trackRemaining: false,
    };
    const listening = await serve(
      proxy,
      http2Cluster(port, { circuitBreakers: { default: thresholds, high: thresholds } }),
    );
    const one = client(listening);
    void one.request(get()).catch(() => undefined);
    await eventually(() => waiting.length === 1);
    void one.request(get()).catch(() => undefined);
    await eventually(() => waiting.length === 2);
    const answer = await one.request(get());
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['x-envoy-overloaded'], 'true');
  });
});

function sendHttp1(port: number, agent: Agent, body: Buffer, pauses: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ port, agent, method: 'POST', path: '/' }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (!pauses || chunks.length % 20 !== 1) return;
        response.pause();
        setTimeout(() => response.resume(), 5);
      });
      response.on('end', () => resolve(Buffer.concat(chunks)));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
