import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ServiceError,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { clientTls, forgeRoot, forgeWorkload, serverTls, TestTls } from '../testing/tls-under-test.js';
import {
  clusterConfig,
  endpoint,
  eventually,
  forwardRoute,
  listenerConfig,
  managerConfig,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const ECHO = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  repeat: method('Repeat', false, true),
  chat: method('Chat', true, true),
  fail: method('Fail', false, false),
  hang: method('Hang', false, false),
};

/** A client, its sidecar, mutual TLS, the server's sidecar and a server; none of them in a process of its own. */
describe('calls by gRPC through two sidecars with mutual TLS between them', () => {
  const root = forgeRoot('root');
  const outbound = new TestProxy({ tls: new TestTls().use(forgeWorkload('client', root), root) });
  const inbound = new TestProxy({ tls: new TestTls().use(forgeWorkload('server', root), root) });
  const server = new Server();
  let cancelled = 0;
  let client: Client;

  before(async () => {
    server.addService(ECHO, {
      unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        call.sendMetadata(call.metadata);
        const trailers = new Metadata();
        trailers.set('x-last', 'trailer');
        answer(null, call.request, trailers);
      },
      collect: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        const chunks: Buffer[] = [];
        call.on('data', (chunk: Buffer) => chunks.push(chunk));
        call.on('end', () => answer(null, Buffer.concat(chunks)));
      },
      repeat: (call: ServerWritableStream<Buffer, Buffer>) => {
        for (let i = 0; i < 20; i++) call.write(call.request);
        call.end();
      },
      chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (chunk: Buffer) => call.write(chunk));
        call.on('end', () => call.end());
        call.on('cancelled', () => cancelled++);
      },
      fail: (_call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
        answer({ code: status.FAILED_PRECONDITION, details: 'not "now"' }),
      hang: (call: ServerUnaryCall<Buffer, Buffer>) => void call.on('cancelled', () => cancelled++),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const toServer = clusterConfig('server', [endpoint(port)]);
    inbound.clusters.apply([{ ...toServer, protocol: { ...toServer.protocol, codec: 'http2' } }], []);
    const base = listenerConfig(managerConfig(routeConfig([forwardRoute('/', 'server')])));
    const [chain] = base.filterChains;
    assert.ok(chain);
    const transportSocket = serverTls({ alpnProtocols: ['h2', 'http/1.1'] });
    assert.deepEqual(
      await inbound.listeners.apply([{ ...base, filterChains: [{ ...chain, transportSocket }] }], []),
      [],
    );

    const toSidecar = clusterConfig('sidecar', [endpoint(inbound.port())], {
      transportSocket: clientTls({ alpnProtocols: ['istio-h2', 'istio', 'h2'] }),
    });
    outbound.clusters.apply([{ ...toSidecar, protocol: { ...toSidecar.protocol, codec: 'http2' } }], []);
    const action = { grpcTimeout: { of: 'request', mostMs: 0, offsetMs: 0 } } as const;
    const manager = managerConfig(routeConfig([forwardRoute('/', 'sidecar', action)]), {
      accessLogs: [
        outbound.accessLog({
          kind: 'json',
          fields: { path: '%REQ(:PATH)%', grpc: '%GRPC_STATUS%', protocol: '%UPSTREAM_PROTOCOL%' },
          omitEmptyValues: false,
        }),
      ],
    });
    assert.deepEqual(await outbound.listeners.apply([listenerConfig(manager)], []), []);
    client = new Client(`127.0.0.1:${outbound.port()}`, credentials.createInsecure());
  });

  after(async () => {
    client.close();
    server.forceShutdown();
    await outbound.close();
    await inbound.close();
  });

  function unary(path: string, message: Buffer, deadlineMs = 30_000, metadata = new Metadata()) {
    return new Promise<{ reply?: Buffer; error?: ServiceError; head?: Metadata; trailers?: Metadata }>(
      (resolve) => {
        let head: Metadata | undefined;
        let trailers: Metadata | undefined;
        const call = client.makeUnaryRequest(
          path,
          same,
          same,
          message,
          metadata,
          { deadline: Date.now() + deadlineMs },
          (error, reply) =>
            setImmediate(() =>
              resolve({
                ...(error === null ? {} : { error }),
                ...(reply === undefined ? {} : { reply }),
                ...(head === undefined ? {} : { head }),
                ...(trailers === undefined ? {} : { trailers }),
              }),
            ),
        );
        call.on('metadata', (received) => (head = received));
        call.on('status', ({ metadata: received }) => (trailers = received));
      },
    );
  }

  it('pass messages of every size with their metadata and trailers, many at once', async () => {
    const metadata = new Metadata();
    metadata.set('x-first', 'head');
    metadata.set('x-bytes-bin', Buffer.from([0, 1, 255]));
    const messages = [0, 1, 200, 20_000, 1_000_000].flatMap((bytes) => [
      randomBytes(bytes),
      randomBytes(bytes),
    ]);
    const answers = await Promise.all(
      messages.map((message) => unary(ECHO.unary.path, message, 30_000, metadata)),
    );
    answers.forEach(({ reply, head, trailers }, i) => {
      assert.ok(reply?.equals(messages[i] as Buffer));
      assert.deepEqual(head?.get('x-first'), ['head']);
      assert.deepEqual(head?.get('x-bytes-bin'), [Buffer.from([0, 1, 255])]);
      assert.deepEqual(trailers?.get('x-last'), ['trailer']);
    });
    assert.equal(outbound.counter('cluster.upstream_cx_http2_total'), 1);
  });

  it('stream from the client, from the server and both ways', async () => {
    const messages = Array.from({ length: 20 }, (_, i) => randomBytes(1000 * i));
    const collected = await new Promise<Buffer>((resolve, reject) => {
      const call = client.makeClientStreamRequest(ECHO.collect.path, same, same, (error, reply) =>
        error === null && reply !== undefined ? resolve(reply) : reject(error ?? new Error('no reply')),
      );
      for (const message of messages) call.write(message);
      call.end();
    });
    assert.ok(collected.equals(Buffer.concat(messages)));
    const repeated: Buffer[] = [];
    const repeat = client.makeServerStreamRequest(ECHO.repeat.path, same, same, randomBytes(5000));
    for await (const chunk of repeat as AsyncIterable<Buffer>) repeated.push(chunk);
    assert.equal(repeated.length, 20);
    const chat = client.makeBidiStreamRequest(ECHO.chat.path, same, same);
    const replies = (chat as unknown as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    for (const message of messages) {
      chat.write(message);
      const reply = (await replies.next()) as { value: Buffer };
      assert.ok(reply.value.equals(message));
    }
    chat.end();
    assert.equal((await replies.next()).done, true);
  });

  it('tell the server when the client cancels', async () => {
    const before = cancelled;
    const chat = client.makeBidiStreamRequest(ECHO.chat.path, same, same);
    chat.on('error', () => undefined);
    chat.on('data', () => chat.cancel());
    chat.write(Buffer.from('a'));
    await eventually(() => cancelled === before + 1);
  });

  it('fail with the status of the server, which the access log has', async () => {
    const { error } = await unary(ECHO.fail.path, Buffer.from('a'));
    assert.equal(error?.code, status.FAILED_PRECONDITION);
    assert.equal(error?.details, 'not "now"');
    const line = (await outbound.logLines()).find(({ path }) => path === ECHO.fail.path);
    assert.equal(line?.['grpc'], 'FailedPrecondition');
    assert.equal(line?.['protocol'], 'HTTP/2');
  });

  it('end at their deadline, on both sides', async () => {
    const before = cancelled;
    const { error } = await unary(ECHO.hang.path, Buffer.from('a'), 300);
    assert.equal(error?.code, status.DEADLINE_EXCEEDED);
    await eventually(() => cancelled === before + 1);
  });

  it('fail with UNIMPLEMENTED or UNAVAILABLE where a sidecar answers itself', async () => {
    inbound.clusters.apply([], ['server']);
    const { error } = await unary(ECHO.unary.path, Buffer.from('a'));
    assert.equal(error?.code, status.UNAVAILABLE);
  });
});
