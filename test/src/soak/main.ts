import { connect, type Socket } from 'node:net';
import { PROXY_NODE_FLAGS } from '@heddle/supervisor';
import { FaultyUpstream } from '../faults/faulty-upstream.js';
import { PlaneOfOneRoute } from '../faults/plane-of-one-route.js';
import { SLOWNESSES, SlowClients } from '../faults/slow-clients.js';
import { SteadyCallers } from '../faults/steady-callers.js';
import { http2Callers } from '../faults/protocol-callers.js';
import { eventually } from '../support/eventually.js';
import { idleHttp2, manyStreams, stalledStreams, uploads } from './http2-load.js';
import { MemoryWatch, restingMb } from './resident-memory.js';

/**
 * Whether the memory of a sidecar stays flat through what makes proxies grow: what the system counts as its, while it lasts and
 * with all that V8 has not collected yet, and what is left of that when all is collected.
 *
 *   npm run test:soak
 */
const LIMIT_MB = 15;
/** Of an hour, one each second: routes and endpoints in turn. */
const CHURN_TURNS = 1_800;
const CONNECTIONS = 100_000;
const IDLE = 1_000;
const LARGE_BYTES = 1_000_000_000;
const SLOW_EACH = 4;
/** Of HTTP/2. */
const STREAMS = 50_000;
const STALLED_STREAMS = 4;
const HUNDRED_MB = 100 * 1024 * 1024;
/** Connections at a time, each from an address of its own, for the ports of one address would run out. */
const PARALLEL = 16;

/** So that what is kept can be told from what is not collected yet. */
const COLLECT_WHEN_ASKED = "data:text/javascript,process.on('SIGUSR2',()=>{gc();gc();})";

if (process.platform !== 'linux') {
  process.stdout.write('skipped: memory is read from /proc\n');
  process.exit(0);
}

const upstream = new FaultyUpstream();
const plane = await PlaneOfOneRoute.start(await upstream.listen());
const startProxy = (): ReturnType<typeof plane.startProxy> =>
  plane.startProxy([], [...PROXY_NODE_FLAGS, '--expose-gc', `--import=${COLLECT_WHEN_ASKED}`]);
let proxy = await startProxy();
const pid = (): number => proxy.program.pid ?? 0;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const counter = (): Promise<number> => proxy.counter('http.l.downstream_cx_active');

/** Some load beside whatever goes on, so that it is a proxy at work. */
async function underLoad(act: () => Promise<void>): Promise<void> {
  const callers = [
    new SteadyCallers({ port: proxy.port, callers: 4, pauseMs: 20 }),
    http2Callers(proxy.port, 4),
  ];
  try {
    await act();
  } finally {
    for (const one of callers) await one.stop();
  }
  const reasons = callers.flatMap(({ failures }) => [...failures.keys()]);
  if (reasons.length > 0) throw new Error(`requests failed: ${reasons.join()}`);
}

async function idle(count: number): Promise<void> {
  const sockets = Array.from({ length: count }, () => connect({ port: proxy.port, host: '127.0.0.1' }));
  for (const socket of sockets) socket.on('error', () => {});
  await eventually(
    async () => (await counter()) >= count,
    () => 'not all are connected',
    60_000,
  );
  await pause(3000);
  for (const socket of sockets) socket.destroy();
}

/** Reads nothing for a while, and then everything. */
async function stalledReader(bytes: number): Promise<void> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1' });
  socket.pause();
  socket.write(`GET /large?bytes=${bytes} HTTP/1.1\r\nHost: stalled\r\nConnection: close\r\n\r\n`);
  await pause(4000);
  let read = 0;
  socket.on('data', (chunk: Buffer) => (read += chunk.length));
  socket.resume();
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => resolve());
    socket.once('error', reject);
  });
  if (read < bytes) throw new Error(`only ${read} of ${bytes} bytes came`);
}

async function idleByHttp2(count: number): Promise<void> {
  const close = await idleHttp2(proxy.port, count);
  await pause(3000);
  close();
}

async function slow(each: number): Promise<void> {
  const clients = SLOWNESSES.map((kind) => new SlowClients(proxy.port, kind, each));
  await pause(4000);
  for (const one of clients) one.close();
}

async function oneAfterTheOther(count: number): Promise<void> {
  let begun = 0;
  const line = async (address: number): Promise<void> => {
    while (begun++ < count) await askOnce(`127.0.9.${address}`);
  };
  await Promise.all(Array.from({ length: PARALLEL }, (_, i) => line(i + 1)));
}

function askOnce(localAddress: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port: proxy.port, host: '127.0.0.1', localAddress });
    socket.write('GET / HTTP/1.1\r\nHost: once\r\nConnection: close\r\n\r\n');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.once('error', reject);
    socket.once('close', () => {
      if (text.startsWith('HTTP/1.1 200 OK')) resolve();
      else reject(new Error(`answered: ${text}`));
    });
  });
}

async function churn(turns: number, from: number): Promise<void> {
  for (let turn = from; turn < from + turns; turn++) await plane.pushEndpoints(turn);
}

/** What the proxy has when all that it does not need is collected. */
async function keptMb(): Promise<number> {
  proxy.program.kill('SIGUSR2');
  await pause(1000);
  proxy.program.kill('SIGUSR2');
  return restingMb(pid());
}

/** Loads of one proxy. */
interface Round {
  /** A little of everything first: code is compiled, pools have their size, and the heap has grown to where it is collected. */
  readonly warmUp: () => Promise<void>;
  readonly phases: readonly (readonly [name: string, run: () => Promise<void>])[];
}

const rounds: readonly Round[] = [
  {
    warmUp: async () => {
      await idle(200);
      await stalledReader(100_000_000);
      await slow(SLOW_EACH);
      await oneAfterTheOther(10_000);
      await churn(200, 1);
    },
    phases: [
      [`${IDLE} idle connections`, () => idle(IDLE)],
      ['a reader of 1 GB that stalls', () => stalledReader(LARGE_BYTES)],
      [`${SLOW_EACH} slow clients of each of ${SLOWNESSES.length} kinds`, () => slow(SLOW_EACH)],
      [`${CONNECTIONS} connections one after the other`, () => oneAfterTheOther(CONNECTIONS)],
      [`an hour of changes, ${2 * CHURN_TURNS} of them`, () => churn(CHURN_TURNS, 1000)],
    ],
  },
  {
    warmUp: async () => {
      await idleByHttp2(200);
      await stalledStreams(proxy.port, STALLED_STREAMS, HUNDRED_MB, 4000);
      await uploads(proxy.port, STALLED_STREAMS, HUNDRED_MB);
      await manyStreams(proxy.port, 8, 10_000);
    },
    phases: [
      [`${IDLE} idle connections of HTTP/2`, () => idleByHttp2(IDLE)],
      [
        `${STALLED_STREAMS} streams of HTTP/2 of 100 MB whose reader stalls`,
        () => stalledStreams(proxy.port, STALLED_STREAMS, HUNDRED_MB, 4000),
      ],
      [
        `${STALLED_STREAMS} uploads of 100 MB on one connection of HTTP/2`,
        () => uploads(proxy.port, STALLED_STREAMS, HUNDRED_MB),
      ],
      [`${STREAMS} requests by HTTP/2 on 8 connections`, () => manyStreams(proxy.port, 8, STREAMS)],
    ],
  },
];

/** Resolves with whether memory stayed flat. */
async function runRound({ warmUp, phases }: Round): Promise<boolean> {
  let isFlat = true;
  const warming = new MemoryWatch(pid());
  await underLoad(warmUp);
  warming.stop();
  const baselineMb = warming.peakMb;
  const restMb = await keptMb();
  process.stdout.write(`warming up: at most ${baselineMb.toFixed(1)} MB, kept ${restMb.toFixed(1)} MB\n`);
  for (const [name, run] of phases) {
    const startedMs = performance.now();
    const watch = new MemoryWatch(pid());
    try {
      await underLoad(run);
    } finally {
      watch.stop();
    }
    const afterMb = await keptMb();
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    const ok = afterMb - restMb <= LIMIT_MB && watch.peakMb - baselineMb <= LIMIT_MB;
    isFlat &&= ok;
    const change = (mb: number): string => `${mb >= 0 ? '+' : ''}${mb.toFixed(1)}`;
    process.stdout.write(
      `${ok ? 'ok    ' : 'FAILED'} ${name}: kept ${afterMb.toFixed(1)} MB (${change(afterMb - restMb)}, ${LIMIT_MB} allowed), ` +
        `at most ${watch.peakMb.toFixed(1)} MB (${change(watch.peakMb - baselineMb)}) [${seconds} s]\n`,
    );
  }
  return isFlat;
}

let isFlat = true;
try {
  for (const round of rounds) {
    if (round !== rounds[0]) {
      await proxy.stop();
      proxy = await startProxy();
    }
    isFlat = (await runRound(round)) && isFlat;
  }
} catch (thrown) {
  process.stdout.write(`${proxy.program.output}\n`);
  throw thrown;
} finally {
  await proxy.stop();
  await plane.close();
  await upstream.close();
}
process.exitCode = isFlat ? 0 : 1;
