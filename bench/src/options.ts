import { parseArgs } from 'node:util';
import { SCENARIOS } from './load/scenarios/index.js';
import { PEER_NAMES, type PeerName } from './subjects/index.js';

/** What one run of the comparison does. */
export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly ratePerSecond: number;
  /** Names of the scenarios to run. */
  readonly only: readonly string[];
  readonly peers: readonly PeerName[];
  /** One heddle-proxy for each of these executables. */
  readonly nodes: readonly string[];
  /** Threads that serve, of each subject that can have several. */
  readonly concurrency: number;
  /** Whether Node's CPU profiler runs along, and its findings are printed. */
  readonly profile: boolean;
  /** Whether dated files are written. */
  readonly save: boolean;
}

export type BenchCommand =
  | { readonly kind: 'compare'; readonly options: BenchOptions }
  | { readonly kind: 'micro'; readonly filter: string | undefined }
  | { readonly kind: 'help' };

export const HELP = `npm run bench                      compares heddle-proxy with other proxies on this machine
npm run bench -- micro [NAME]      micro-benchmarks of hot functions whose name contains NAME

  --rounds N        rounds; in each, every proxy is started and measured once, in turn (5)
  --seconds N       length of each measured window (4)
  --rate N          requests a second of the open loop that measures latency (2000)
  --only A,B        scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')} (all)
  --peers A,B       subjects beside heddle-proxy: ${PEER_NAMES.join(', ')} (all that are found; "none")
  --node PATH       Node that runs heddle-proxy; may be given several times (the one that runs this)
  --concurrency N   threads that serve, of each proxy; nothing is pinned to a core with more than one (1)
  --quick           two rounds of one second, nothing saved: proves the harness, says nothing of speed
  --profile         prints in which functions heddle-proxy spends its time; nothing saved
  --no-save         prints only
  --help

Results go to bench/results/, dated. node bench/fetch-peers.mjs fetches the other proxies.
HEDDLE_ENVOY names an Envoy executable to use instead. A request that fails fails the run.`;

/** Reads the command line. Errors: throws with a sentence for the user. */
export function parseBenchCommand(args: readonly string[]): BenchCommand {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      rate: { type: 'string' },
      only: { type: 'string' },
      peers: { type: 'string' },
      node: { type: 'string', multiple: true },
      concurrency: { type: 'string' },
      profile: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      'no-save': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { kind: 'help' };
  const [command, filter, ...rest] = positionals;
  if (command === 'micro' && rest.length === 0) return { kind: 'micro', filter };
  if (command !== undefined) throw new Error(`unknown command ${JSON.stringify(command)}; see --help`);
  const seconds = positive('--seconds', values.seconds, values.quick ? 1 : 4);
  const rounds = positive('--rounds', values.rounds, values.quick ? 2 : 5);
  const concurrency = positive('--concurrency', values.concurrency, 1);
  if (!Number.isInteger(rounds)) throw new Error('--rounds must be a whole number');
  if (!Number.isInteger(concurrency)) throw new Error('--concurrency must be a whole number');
  return {
    kind: 'compare',
    options: {
      rounds,
      seconds,
      // Sidecars run for weeks: V8 is given the time that it needs to know what is hot.
      warmUpSeconds: values.quick ? 0.5 : 6,
      ratePerSecond: positive('--rate', values.rate, 2_000),
      only: chosen(
        '--only',
        values.only,
        SCENARIOS.map(({ name }) => name),
      ),
      peers: values.peers === 'none' ? [] : chosen('--peers', values.peers, PEER_NAMES),
      nodes: values.node ?? [process.execPath],
      concurrency,
      profile: values.profile,
      save: !values.quick && !values.profile && !values['no-save'],
    },
  };
}

function positive(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new Error(`${option} must be a positive number, got ${text}`);
  return value;
}

function chosen<T extends string>(
  option: string,
  text: string | undefined,
  known: readonly T[],
): readonly T[] {
  if (text === undefined) return known;
  const names = text.split(',');
  const unknown = names.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new Error(`${option}: unknown name ${unknown}; known: ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
}
