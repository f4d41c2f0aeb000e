import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { loadBootstrap, parseCommandLine, type BootstrapConfig } from '@heddle/data-plane';
import { Flag, frame, FrameType } from '@heddle/data-plane/testing';
import { ProxyGround } from '../faults/proxy-ground.js';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import {
  address,
  clusterJson,
  listenerJson,
  ProxyUnderAttack,
  routeTo,
  statusesOf,
} from './proxy-under-attack.js';
import { literalFields, RawHttp2Client, requestFields } from './raw-http2-client.js';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * 1024;
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';

/** Source: RFC 9113, section 6.5.2. */
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;

/** The configuration of a bootstrap that sets no limit at all. */
async function defaults(): Promise<BootstrapConfig> {
  const bootstrap = {
    node: { id: 'limits' },
    admin: { address: address(0) },
    static_resources: {
      listeners: [listenerJson('plain', { routes: [routeTo('b1')] }, '/dev/null')],
      clusters: [clusterJson('b1', 1)],
    },
  };
  const parsed = parseCommandLine(['--config-yaml', JSON.stringify(bootstrap)]);
  assert.ok(parsed.kind === 'run');
  return loadBootstrap(parsed.commandLine);
}

describe('the limits of a proxy that is told none', () => {
  let config: BootstrapConfig;
  let proxy: ProxyUnderAttack;
  before(async () => {
    config = await defaults();
    proxy = await ProxyUnderAttack.start();
  });
  after(() => proxy.close());

  const manager = () => {
    const filter = config.listeners[0]?.filterChains[0]?.filters.at(-1);
    assert.ok(filter?.kind === 'http-connection-manager');
    return filter.config;
  };

  it('5.1 a connection buffers 1 MiB each way', () => {
    assert.equal(config.listeners[0]?.perConnectionBufferLimitBytes, MEBIBYTE);
    assert.equal(config.clusters[0]?.perConnectionBufferLimitBytes, MEBIBYTE);
  });

  it('5.2 HTTP/2 offers 1024 streams, and refuses what is above', async () => {
    const client = await RawHttp2Client.connect(proxy.port());
    const settings = settingsOf(client);
    assert.equal(settings.get(MAX_CONCURRENT_STREAMS), 1024);
    const open = Array.from({ length: 1025 }, (_, i) =>
      frame(FrameType.Headers, Flag.EndHeaders, 2 * i + 1, literalFields(requestFields('/', [], 'POST'))),
    );
    client.send(...open);
    assert.deepEqual(await client.outcome(2049), { reset: 7 });
    client.close();
  });

  it('5.3 HTTP/2 takes 256 KiB of a stream and 1 MiB of a connection before it is read', async () => {
    const client = await RawHttp2Client.connect(proxy.port());
    assert.equal(settingsOf(client).get(INITIAL_WINDOW_SIZE), 256 * KIBIBYTE);
    await client.until(() => client.frames.some(({ type }) => type === FrameType.WindowUpdate));
    const update = client.frames.find(
      ({ type, streamId }) => type === FrameType.WindowUpdate && streamId === 0,
    );
    assert.equal(65_535 + (update?.payload.readUInt32BE(0) ?? 0), MEBIBYTE);
    client.close();
  });

  it('5.4 a head has 60 KiB and 100 fields, by either protocol', async () => {
    const many = (count: number): string => 'a: b\r\n'.repeat(count);
    assert.deepEqual(statusesOf(await proxy.raw(`${GET}${many(99)}\r\n`)), [200]);
    assert.deepEqual(statusesOf(await proxy.raw(`${GET}${many(100)}\r\n`, { untilClosed: true })), [431]);
    assert.deepEqual(
      statusesOf(await proxy.raw(`${GET}X: ${'a'.repeat(61_440)}\r\n\r\n`, { untilClosed: true })),
      [431],
    );
    const client = await RawHttp2Client.connect(proxy.port());
    const fields = Array.from({ length: 110 }, (_, i) => [`x-${i}`, 'b'] as const);
    client.headers(1, requestFields('/', fields));
    assert.deepEqual(await client.outcome(1), { status: 431 });
    client.close();
    proxy.received();
  });

  it('5.5 times have ends: a head, a stream, a connection', () => {
    const { requestHeadersTimeoutMs, streamIdleTimeoutMs, idleTimeoutMs, delayedCloseTimeoutMs } = manager();
    assert.deepEqual(
      { requestHeadersTimeoutMs, streamIdleTimeoutMs, idleTimeoutMs, delayedCloseTimeoutMs },
      {
        requestHeadersTimeoutMs: 60_000,
        streamIdleTimeoutMs: 300_000,
        idleTimeoutMs: 3_600_000,
        delayedCloseTimeoutMs: 1000,
      },
    );
    assert.equal(config.listeners[0]?.listenerFiltersTimeoutMs, 15_000);
  });

  it('5.6 pages for administrators are for this machine alone where nothing else is said', () => {
    assert.match(proxy.adminAddress, /127\.0\.0\.1/);
  });

  it('5.7 memory: no keep-alive from 92 %, no requests from 95 %, no connections from 98 %', () => {
    const actions = config.overload.actions.map(({ action, triggers }) => [
      action,
      triggers[0]?.kind === 'threshold' ? triggers[0].value : 0,
    ]);
    assert.deepEqual(actions, [
      ['disable-http-keepalive', 0.92],
      ['stop-accepting-requests', 0.95],
      ['stop-accepting-connections', 0.98],
    ]);
  });
});

describe('connections without number', () => {
  it('1.35, 5.8 are refused before descriptors run out, and the proxy serves others afterwards (CVE-2020-8663)', async (t) => {
    const upstream = new RecordingUpstream('b1');
    t.after(() => upstream.close());
    const upstreamPort = await upstream.listen();
    const descriptors = 400;
    const proxy = await ProxyGround.start({
      upstreamPort,
      command: (node, args) => ['sh', ['-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, node, ...args]],
      bootstrap: (admin, port) => ({
        admin: { address: address(admin) },
        static_resources: {
          listeners: [listenerJson('plain', { routes: [routeTo('b1')] }, '/dev/null', port)],
          clusters: [clusterJson('b1', upstreamPort)],
        },
      }),
    });
    t.after(() => proxy.stop());
    const flood: Socket[] = [];
    let ended = 0;
    for (let i = 0; i < 2 * descriptors; i++) {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('close', () => ended++);
      flood.push(socket);
    }
    // Half of the descriptors are for the other sides of the connections.
    await eventually(
      () => ended >= 1.5 * descriptors,
      () => `${ended} were refused`,
    );
    assert.equal(proxy.program.exit, undefined, proxy.program.output);
    const { body: stats } = await httpCall(proxy.adminPort, '/stats');
    assert.match(stats, /downstream_global_cx_overflow: [1-9]/);
    for (const socket of flood) socket.destroy();
    await eventually(
      async () => {
        const { answers } = await rawExchange(proxy.port, `${GET}\r\n`);
        return answers[0]?.startLine.includes(' 200 ') === true;
      },
      () => `nobody is served\n${proxy.program.output}`,
    );
  });
});

describe('a proxy that is told to end', () => {
  it('5.9 lets what is in flight finish: Connection: close by HTTP/1.1, GOAWAY twice by HTTP/2, and then exits with 0', async (t) => {
    const upstream = new RecordingUpstream('b1');
    t.after(() => upstream.close());
    const upstreamPort = await upstream.listen();
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const proxy = await ProxyGround.start({ upstreamPort });
    t.after(() => proxy.stop());
    upstream.keepAnswering('/slow', {
      after: answered,
      bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    });
    const http1 = rawExchange(proxy.port, 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', {
      timeoutMs: 20_000,
      untilClosed: true,
    });
    const http2 = await RawHttp2Client.connect(proxy.port);
    http2.headers(1, requestFields('/slow'));
    await eventually(
      () => upstream.standingCount === 2,
      () => 'the requests did not arrive',
    );
    proxy.program.kill('SIGTERM');
    await http2.until(() => http2.goAway !== undefined);
    await eventually(
      () => isRefused(proxy.port),
      () => 'it still accepts',
    );
    answer();
    const { answers } = await http1;
    assert.match(answers[0]?.startLine ?? '', / 200 /);
    assert.ok(answers[0]?.fields.some(([name, value]) => name === 'connection' && value === 'close'));
    assert.deepEqual(await http2.outcome(1), { status: 200 });
    http2.send(
      ...http2.frames
        .filter(({ type, flags }) => type === FrameType.Ping && flags === 0)
        .map(({ payload }) => frame(FrameType.Ping, Flag.Ack, 0, payload)),
    );
    await http2.untilClosed();
    assert.equal(http2.frames.filter(({ type }) => type === FrameType.GoAway).length, 2);
    assert.equal((await proxy.program.ended()).code, 0, proxy.program.output);
  });
});

function settingsOf(client: RawHttp2Client): ReadonlyMap<number, number> {
  const settings = client.frames.find(({ type }) => type === FrameType.Settings)?.payload ?? Buffer.alloc(0);
  const found = new Map<number, number>();
  for (let at = 0; at < settings.length; at += 6)
    found.set(settings.readUInt16BE(at), settings.readUInt32BE(at + 2));
  return found;
}

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
}
