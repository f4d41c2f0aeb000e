import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MemoryWatch, residentMb } from '../soak/resident-memory.js';
import { http1Client, http2Client, tcpClient, type BodyClient } from './body-clients.js';
import { BodyProxies, type Upstream } from './body-proxies.js';
import { DIRECTIONS, type BodyRequest } from './body-request.js';
import { BodyServers } from './body-servers.js';
import type { Pace } from './pattern.js';

/**
 * Bodies of every size through every pair of protocols, plainly and through two sidecars with mutual TLS, byte for byte.
 *
 *   npm run test:bodies                          on this Node, and then on the newest where it is there
 *   npm run test:bodies -- --this-node           on this one alone
 *   npm run test:bodies -- --largest 1000000     smaller large ones; in bytes
 */
const SIZES = [0, 1, 16_383, 16_384, 16_385, 65_536, 1_048_576];
/** The pace of client and server. */
const PACES: readonly (readonly [Pace, Pace])[] = [
  ['fast', 'fast'],
  ['slow', 'fast'],
  ['fast', 'slow'],
];
/** What one of the proxies may take more of memory while large bodies pass, one after the other, whose readers stall. */
const MOST_MORE_MB = 64;

interface BodyPath {
  readonly name: string;
  readonly where: 'plain' | 'mtls';
  readonly upstream: Upstream;
  readonly client: (port: number) => BodyClient;
}

const PATHS: readonly BodyPath[] = (['plain', 'mtls'] as const).flatMap((where) => [
  { name: `h1 to h1, ${where}`, where, upstream: 'http1', client: http1Client },
  { name: `h1 to h2, ${where}`, where, upstream: 'http2', client: http1Client },
  { name: `h2 to h1, ${where}`, where, upstream: 'http1', client: http2Client },
  { name: `h2 to h2, ${where}`, where, upstream: 'http2', client: http2Client },
  { name: `tcp, ${where}`, where, upstream: 'tcp', client: tcpClient },
]);

const { values } = parseArgs({
  options: {
    largest: { type: 'string', default: '100000000' },
    'this-node': { type: 'boolean', default: false },
  },
});
const largest = Number(values.largest);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

say(`on Node ${process.versions.node}:`);
let failures = 0;
const servers = new BodyServers();
await servers.start();
const proxies = await BodyProxies.start(servers.ports);
try {
  for (const path of PATHS) await tryPath(path);
} finally {
  await proxies.stop();
  servers.stop();
}
if (failures > 0) process.exitCode = 1;
else if (!values['this-node']) onNewestNode();

async function tryPath({ name, where, upstream, client: connect }: BodyPath): Promise<void> {
  const client = connect(proxies.port(where, upstream));
  const startedMs = performance.now();
  try {
    const { sent, problems } = await small(client);
    const large = await largeBodies(client);
    const all = [...problems, ...large.problems];
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const told = `${sent} bodies at once, then ${large.sent} of ${largest} bytes with at most ${large.moreMb.toFixed(0)} MB more, in ${seconds} s`;
    say(`${all.length === 0 ? 'ok    ' : 'FAILED'} ${name}: ${told}`);
    for (const problem of all.slice(0, 10)) say(`       ${problem}`);
    if (all.length > 0) failures++;
  } finally {
    client.close();
  }
}

/** All sizes, directions and paces at the same time. */
async function small(
  client: BodyClient,
): Promise<{ readonly sent: number; readonly problems: readonly string[] }> {
  const requests = SIZES.flatMap((bytes) =>
    DIRECTIONS.flatMap((direction) =>
      PACES.map(([clientPace, serverPace]) => ({ direction, bytes, clientPace, serverPace })),
    ),
  ).map((request, seed): BodyRequest => ({ ...request, seed }));
  const problems = await Promise.all(requests.map((request) => problemOf(client, request)));
  return { sent: requests.length, problems: problems.filter((problem) => problem !== undefined) };
}

/** Large ones, one after the other, whose reader stalls; others go through meanwhile. */
async function largeBodies(
  client: BodyClient,
): Promise<{ readonly sent: number; readonly moreMb: number; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  const before = proxies.pids.map((pid) => residentMb(pid));
  const watches = proxies.pids.map((pid) => new MemoryWatch(pid));
  let isOver = false;
  const others = (async () => {
    for (let seed = 1000; !isOver; seed++) {
      const request = {
        direction: 'echo',
        bytes: 10_000,
        seed,
        clientPace: 'fast',
        serverPace: 'fast',
      } as const;
      const problem = await problemOf(client, request);
      if (problem !== undefined) problems.push(`meanwhile: ${problem}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  for (const [i, direction] of DIRECTIONS.entries()) {
    const stallsAtServer = direction === 'upload';
    const problem = await problemOf(client, {
      direction,
      bytes: largest,
      seed: 100 + i,
      clientPace: stallsAtServer ? 'fast' : 'stalls',
      serverPace: stallsAtServer ? 'stalls' : 'fast',
    });
    if (problem !== undefined) problems.push(problem);
  }
  isOver = true;
  await others;
  for (const watch of watches) watch.stop();
  const moreMb = Math.max(...watches.map(({ peakMb }, i) => peakMb - (before[i] ?? 0)));
  if (moreMb > MOST_MORE_MB)
    problems.push(`a proxy took ${moreMb.toFixed(0)} MB more, and ${MOST_MORE_MB} are allowed`);
  return { sent: DIRECTIONS.length, moreMb, problems };
}

async function problemOf(client: BodyClient, request: BodyRequest): Promise<string | undefined> {
  const problem = await client.send(request).catch((error: unknown) => `broke off: ${String(error)}`);
  return problem === undefined ? undefined : `${JSON.stringify(request)}: ${problem}`;
}

/** The same once more there, where `bench/fetch-peers.mjs` fetched it. */
function onNewestNode(): void {
  const node =
    process.env['HEDDLE_NEWEST_NODE'] ?? fileURLToPath(new URL('../../../bench/peers/node', import.meta.url));
  if (!existsSync(node)) {
    say('skipped: no newest Node here; fetch it with node bench/fetch-peers.mjs');
    return;
  }
  const args = [fileURLToPath(import.meta.url), '--this-node', '--largest', String(largest)];
  process.exitCode = spawnSync(node, args, { stdio: 'inherit' }).status ?? 1;
}
