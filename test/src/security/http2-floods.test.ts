import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { ErrorCode, Flag, frame, FrameType } from '@heddle/data-plane/testing';
import { ProxyGround } from '../faults/proxy-ground.js';
import { residentMb } from '../soak/resident-memory.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { address, clusterJson, listenerJson, routeTo } from './proxy-under-attack.js';
import { hpackInteger, literalFields, RawHttp2Client, requestFields } from './raw-http2-client.js';

const MEBIBYTE = 1024 * 1024;
/** What a proxy that was flooded may have taken more than before. */
const MOST_MORE_MB = 100;
/** Of processor time, for a flood that is let go as soon as it is known for one. */
const MOST_CPU_MS = 10_000;

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const ROUTES = [routeTo('b1', '/', { timeout: '0s' })];
const HEAD = literalFields(requestFields('/'));
const request = (streamId: number): Buffer =>
  frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, streamId, HEAD);
const reset = (streamId: number): Buffer => frame(FrameType.RstStream, 0, streamId, uint32(ErrorCode.Cancel));
const times = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

describe('what HTTP/2 can be flooded with', () => {
  const upstream = new RecordingUpstream('b1');
  let proxy: ProxyGround;
  let impatientPort = 0;

  before(async () => {
    const upstreamPort = await upstream.listen();
    impatientPort = await freePort();
    proxy = await ProxyGround.start({
      upstreamPort,
      bootstrap: (admin, port) => ({
        admin: { address: address(admin) },
        static_resources: {
          clusters: [clusterJson('b1', upstreamPort)],
          listeners: [
            listenerJson('patient', { routes: ROUTES }, '/dev/null', port),
            listenerJson(
              'impatient',
              { routes: ROUTES, manager: { stream_idle_timeout: '1s' } },
              '/dev/null',
              impatientPort,
            ),
          ],
        },
      }),
    });
  });
  after(async () => {
    await proxy.stop();
    await upstream.close();
  });

  const pid = (): number => proxy.program.pid ?? 0;

  /** Processor time of the proxy so far. Source: proc(5), stat; a tick is 10 ms wherever Node runs on Linux. */
  const cpuMs = (): number => {
    const fields = readFileSync(`/proc/${pid()}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };

  /** Floods, with somebody else who has to be served meanwhile, and looks at what it cost. */
  async function survives(
    flood: (client: RawHttp2Client) => Promise<void>,
    port = proxy.port,
    settings?: Uint8Array,
  ): Promise<void> {
    const [memory, cpu] = [residentMb(pid()), cpuMs()];
    const client = await RawHttp2Client.connect(port, settings);
    let isOver = false;
    const others = (async () => {
      let served = 0;
      do {
        const { answers } = await rawExchange(proxy.port, 'GET /other HTTP/1.1\r\nHost: a\r\n\r\n', {
          timeoutMs: 20_000,
        });
        assert.match(answers[0]?.startLine ?? '', / 200 /);
        served++;
      } while (!isOver);
      return served;
    })();
    try {
      await flood(client);
    } finally {
      isOver = true;
      client.close();
    }
    assert.ok((await others) > 0);
    assert.equal(proxy.program.exit, undefined, proxy.program.output);
    assert.ok(cpuMs() - cpu < MOST_CPU_MS, `it cost ${cpuMs() - cpu} ms`);
    const more = residentMb(pid()) - memory;
    assert.ok(more < MOST_MORE_MB, `it took ${more.toFixed(0)} MB more`);
    await eventually(
      async () => (await proxy.counter('http.patient.downstream_cx_active')) === 0,
      () => 'connections stay',
    );
  }

  const endsCalmly = async (client: RawHttp2Client): Promise<void> => {
    await client.untilClosed();
    assert.equal(client.goAway, ErrorCode.EnhanceYourCalm);
  };

  it('1.30 a hundred thousand requests that are reset at once: GOAWAY, and few of them reach the upstream (CVE-2023-44487)', async () => {
    await survives(async (client) => {
      for (let i = 0; i < 100 && !client.closed; i++) {
        client.send(
          times(1000, (n) => Buffer.concat([request(2000 * i + 2 * n + 1), reset(2000 * i + 2 * n + 1)])),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      await endsCalmly(client);
    });
    assert.ok(
      upstream.takeRecorded().filter(({ startLine }) => startLine.startsWith('GET / ')).length < 2000,
    );
  });

  it('1.30 streams that the proxy has to reset count the same (CVE-2025-8671)', async () => {
    await survives(async (client) => {
      for (let i = 0; i < 20 && !client.closed; i++) {
        client.send(
          times(500, (n) => {
            const id = 1000 * i + 2 * n + 1;
            return Buffer.concat([request(id), frame(FrameType.WindowUpdate, 0, id, uint32(0))]);
          }),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      await endsCalmly(client);
    });
    upstream.takeRecorded();
  });

  it('1.31 a header block that never ends: the connection does (CVE-2024-27919)', async () => {
    await survives(async (client) => {
      client.send(frame(FrameType.Headers, 0, 1, HEAD));
      const more = frame(FrameType.Continuation, 0, 1, literalFields([['x-more', 'm'.repeat(16_000)]]));
      for (let i = 0; i < 4000 && !client.closed; i++) {
        client.send(more);
        if (i % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await client.untilClosed();
      assert.notEqual(client.goAway, undefined);
    });
    assert.deepEqual(
      upstream.takeRecorded().filter(({ startLine }) => startLine.startsWith('GET / ')),
      [],
    );
  });

  it('1.31 a connection that is cut in the middle of a header block frees what it held (CVE-2024-27983)', async () => {
    await survives(async () => {
      for (let i = 0; i < 40; i++) {
        const client = await RawHttp2Client.connect(proxy.port);
        client.send(
          frame(FrameType.Headers, 0, 1, HEAD),
          frame(FrameType.Continuation, 0, 1, literalFields([['x', 'y']])),
        );
        await new Promise<void>((resolve) => client.socket.write('', () => resolve()));
        client.socket.resetAndDestroy();
      }
    });
  });

  it('1.32 copies of one cookie that cost a byte each count as what they decode to (CVE-2026-47774)', async () => {
    await survives(async (client) => {
      // `cookie` into the dynamic table with 4000 bytes, then by its index, again and again.
      const crumb = Buffer.concat([Buffer.of(0x60), hpackInteger(0, 7, 3900), Buffer.alloc(3900, 'c')]);
      const block = Buffer.concat([literalFields(requestFields('/bomb')), crumb, Buffer.alloc(8000, 0xbe)]);
      for (let i = 0; i < 20; i++) {
        client.send(frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, 2 * i + 1, block));
        assert.deepEqual(await client.outcome(2 * i + 1), { status: 431 });
      }
    });
    assert.deepEqual(
      upstream.takeRecorded().filter(({ startLine }) => startLine.includes('bomb')),
      [],
    );
  });

  for (const [what, bytes, code] of [
    [
      'a header block that cannot be decoded',
      frame(FrameType.Headers, Flag.EndHeaders, 1, Buffer.from('ff80ffffff0f', 'hex')),
      ErrorCode.CompressionError,
    ],
    [
      'a window that grows beyond 2^31',
      frame(FrameType.WindowUpdate, 0, 0, uint32(0x7fffffff)),
      ErrorCode.FlowControlError,
    ],
    [
      'an initial window beyond 2^31',
      frame(FrameType.Settings, 0, 0, Buffer.from('0004ffffffff', 'hex')),
      ErrorCode.FlowControlError,
    ],
    ['a frame that is too long', Buffer.from('004001000000000001', 'hex'), ErrorCode.FrameSizeError],
    ['GOAWAY of a stream', frame(FrameType.GoAway, 0, 1, Buffer.alloc(8)), ErrorCode.ProtocolError],
    [
      'a pushed stream',
      frame(FrameType.PushPromise, Flag.EndHeaders, 1, Buffer.concat([uint32(2), HEAD])),
      ErrorCode.ProtocolError,
    ],
  ] as const) {
    it(`1.33 ${what}: GOAWAY, and the connection is over (CVE-2025-59465)`, async () => {
      await survives(async (client) => {
        client.send(bytes);
        await client.untilClosed();
        assert.equal(client.goAway, code);
      });
    });
  }

  it('1.33 a client that says GOAWAY is answered what it asked before, and then let go', async () => {
    await survives(async (client) => {
      client.send(request(1), frame(FrameType.GoAway, 0, 0, Buffer.alloc(8)));
      assert.deepEqual(await client.outcome(1), { status: 200 });
      client.socket.end();
      await client.untilClosed();
    });
  });

  it('1.34 a body in frames of one byte each takes no more memory than its bytes (CVE-2020-12603)', async () => {
    const bytes = 20_000;
    await survives(async (client) => {
      client.headers(1, requestFields('/small', [], 'POST'), false);
      client.send(
        times(bytes, () => frame(FrameType.Data, 0, 1, 'x')),
        frame(FrameType.Data, Flag.EndStream, 1),
      );
      assert.deepEqual(await client.outcome(1), { status: 200 });
    });
    const [small] = upstream.takeRecorded().filter(({ startLine }) => startLine.includes('small'));
    assert.equal(small?.body.length, bytes);
  });

  it('1.34 a client that never reads has its answers held back, and not in memory (CVE-2020-12604)', async () => {
    const large = Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${8 * MEBIBYTE}\r\n\r\n`),
      Buffer.alloc(8 * MEBIBYTE, 'y'),
    ]);
    upstream.keepAnswering('/large', { bytes: large });
    await survives(async (client) => {
      client.socket.pause();
      client.send(
        times(50, (i) =>
          frame(
            FrameType.Headers,
            Flag.EndHeaders | Flag.EndStream,
            2 * i + 1,
            literalFields(requestFields('/large')),
          ),
        ),
      );
      await eventually(
        () => upstream.standingCount >= 20,
        () => 'the requests did not reach the upstream',
      );
      // Whatever is passed on now piles up somewhere.
      for (let i = 0; i < 20; i++) await proxy.counter('http.patient.downstream_cx_active');
    });
    upstream.takeStanding();
  });

  for (const [what, one] of [
    ['PING', frame(FrameType.Ping, 0, 0, '12345678')],
    ['SETTINGS', frame(FrameType.Settings, 0, 0, Buffer.from('000300000064', 'hex'))],
  ] as const) {
    it(`1.33 a client that sends ${what} and reads no answer is let go`, async () => {
      await survives(async (client) => {
        client.socket.pause();
        const many = times(5000, () => one);
        for (let i = 0; i < 200 && !client.closed; i++) {
          await client.written(many);
        }
        client.socket.resume();
        await client.untilClosed();
      });
    });
  }

  it('1.34 a client whose windows stay at zero holds no answer in memory for ever', async () => {
    const zero = Buffer.from('000400000000', 'hex');
    await survives(
      async (client) => {
        client.send(
          times(100, (i) =>
            frame(
              FrameType.Headers,
              Flag.EndHeaders | Flag.EndStream,
              2 * i + 1,
              literalFields(requestFields('/zero')),
            ),
          ),
        );
        await client.until(() => client.heads(199).length > 0);
        assert.equal(client.body(1).length, 0);
        // Its streams are idle: their time ends.
        const [first] = await Promise.all([client.outcome(1), client.outcome(199)]);
        assert.deepEqual(first, { status: 200 });
        assert.ok(client.frames.some(({ type, streamId }) => type === FrameType.RstStream && streamId === 1));
      },
      impatientPort,
      zero,
    );
    upstream.takeRecorded();
  });

  it('1.36 trailers that do not end their stream reset it, and no whole request goes on (CVE-2026-73513)', async () => {
    await survives(async (client) => {
      client.headers(1, requestFields('/trailers', [], 'POST'), false);
      client.data(1, 'body');
      client.send(frame(FrameType.Headers, Flag.EndHeaders, 1, literalFields([['x-t', '1']])));
      assert.deepEqual(await client.outcome(1), { reset: ErrorCode.ProtocolError });
    });
    assert.deepEqual(
      upstream.takeRecorded().filter(({ startLine }) => startLine.includes('trailers')),
      [],
    );
  });
});
