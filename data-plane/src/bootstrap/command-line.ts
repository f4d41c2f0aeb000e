import { parseArgs } from 'node:util';
import { isLogLevel, type LogLevel } from '@heddle/common';

/** What the command line says, checked. */
export interface CommandLine {
  readonly configPath: string | undefined;
  readonly configYaml: string | undefined;
  readonly mode: 'serve' | 'validate';
  readonly logLevel: LogLevel;
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
  readonly adminAddressPath: string | undefined;
  /** undefined: not given. */
  readonly drainTimeMs: number | undefined;
  readonly stateDirectory: string | undefined;
  /** undefined: not given. */
  readonly maxSeries: number | undefined;
  readonly identity: IdentityArguments;
  readonly baseId: number;
  readonly concurrency: number;
  /** What was accepted and has no effect. */
  readonly notices: readonly string[];
}

/** What the command line says of the workload's identity, not checked; undefined: not given. */
export interface IdentityArguments {
  readonly caAddress: string | undefined;
  readonly caServerName: string | undefined;
  readonly caRootFile: string | undefined;
  readonly caTokenFile: string | undefined;
  readonly identity: string | undefined;
  readonly certificateTtl: string | undefined;
}

export type CommandLineResult =
  | { readonly kind: 'run'; readonly commandLine: CommandLine }
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

export const USAGE = `heddle-proxy: the sidecar and gateway of Heddle

Usage: heddle-proxy -c FILE [options]

Takes an Envoy bootstrap: the file that starts Envoy starts this.

  -c, --config-path FILE       the bootstrap, YAML or JSON
      --config-yaml TEXT       YAML merged over it, or used alone
      --mode MODE              serve, or validate: name every problem of the bootstrap and exit
                                                                        (default serve)
  -l, --log-level LEVEL        trace, debug, info, warning, error, critical, off (default info)
      --service-node NAME      the node's id, over the bootstrap's node.id
      --service-cluster NAME   over node.cluster
      --service-zone NAME      over node.locality.zone
      --admin-address-path FILE  write the admin server's address there once it listens
      --drain-time-s SECONDS   how long requests in flight may take on drain
                               (default 600 for /drain_listeners, 25 for a signal)
      --state-dir FOLDER       keep the last good configuration there, and start from it when the
                               control plane does not answer (or node.metadata.HEDDLE_STATE_DIR)
      --ca-address HOST:PORT   have an identity, with certificates from there (heddled --ca-dir)
      --ca-root-file FILE      PEM of the roots by which that authority is known, and everybody
                               else at first
      --ca-token-file FILE     a join token, readable by this user alone
      --ca-server-name NAME    the authority is not heddled: the host name in its certificate
      --identity SPIFFE_ID     whose certificate (default: of node.metadata.NAMESPACE and
                               SERVICE_ACCOUNT in cluster.local)
      --cert-ttl DURATION      how long certificates should live    (default: the authority's)
      --supervise              run the proxy below a small process that holds its listening sockets: while it
                               is started again nobody is refused, and SIGHUP replaces it without a gap
      --max-series N           bound of the series of each of Istio's metrics; what is beyond is
                               counted together (default 5000)
      --concurrency N          threads that serve requests (default 1: no thread is started for it)
      --base-id N              accepted; nothing is shared between processes
      --version, --help
`;

/** Each is a thread with a heap of its own. */
const MOST_WORKERS = 128;

/** Envoy's options that mean nothing here, so that a command line written for it works. */
const WITHOUT_EFFECT = {
  'component-log-level': 'string',
  'log-format': 'string',
  'log-format-escaped': 'boolean',
  'log-path': 'string',
  'drain-strategy': 'string',
  'parent-shutdown-time-s': 'string',
  'restart-epoch': 'string',
  'local-address-ip-version': 'string',
  'file-flush-interval-msec': 'string',
  'file-flush-min-size-kb': 'string',
  'base-id-path': 'string',
  'socket-path': 'string',
  'socket-mode': 'string',
  'disable-hot-restart': 'boolean',
  'use-dynamic-base-id': 'boolean',
  'cpuset-threads': 'boolean',
  'allow-unknown-static-fields': 'boolean',
  'reject-unknown-dynamic-fields': 'boolean',
  'ignore-unknown-dynamic-fields': 'boolean',
  'enable-mutex-tracing': 'boolean',
  'enable-core-dump': 'boolean',
  'enable-fine-grain-logging': 'boolean',
  'skip-hot-restart-on-no-parent': 'boolean',
  'skip-hot-restart-parent-stats': 'boolean',
} as const;

/** What people expect to be quiet about: it changes nothing that anyone would notice. */
const SILENT = new Set<string>([
  'disable-hot-restart',
  'use-dynamic-base-id',
  'parent-shutdown-time-s',
  'restart-epoch',
]);

/**
 * Reads heddle-proxy's arguments: Envoy's names for what Envoy has.
 *
 * Errors: every mistake is named, not only the first.
 */
export function parseCommandLine(args: readonly string[]): CommandLineResult {
  let values: Readonly<Record<string, string | boolean | undefined>>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        'config-path': { type: 'string', short: 'c' },
        'config-yaml': { type: 'string' },
        mode: { type: 'string' },
        'log-level': { type: 'string', short: 'l' },
        'service-node': { type: 'string' },
        'service-cluster': { type: 'string' },
        'service-zone': { type: 'string' },
        'admin-address-path': { type: 'string' },
        'drain-time-s': { type: 'string' },
        'state-dir': { type: 'string' },
        'ca-address': { type: 'string' },
        'ca-root-file': { type: 'string' },
        'ca-token-file': { type: 'string' },
        'ca-server-name': { type: 'string' },
        identity: { type: 'string' },
        'cert-ttl': { type: 'string' },
        'max-series': { type: 'string' },
        concurrency: { type: 'string' },
        'base-id': { type: 'string' },
        // For main.ts: what runs below it never sees it.
        supervise: { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        ...Object.fromEntries(Object.entries(WITHOUT_EFFECT).map(([name, type]) => [name, { type }])),
      },
    }));
  } catch (cause) {
    return { kind: 'problems', problems: [(cause as Error).message] };
  }
  if (values['help'] === true) return { kind: 'help' };
  if (values['version'] === true) return { kind: 'version' };

  const problems: string[] = [];
  const notices: string[] = [];
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const number = (name: string, most: number): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    if (/^\d{1,10}$/.test(value) && Number(value) <= most) return Number(value);
    problems.push(`--${name} ${value}: expected a whole number from 0 to ${most}`);
    return undefined;
  };

  if (text('config-path') === undefined && text('config-yaml') === undefined) {
    problems.push('-c FILE is missing: where is the bootstrap?');
  }
  const mode = text('mode') ?? 'serve';
  if (mode !== 'serve' && mode !== 'validate') problems.push(`--mode ${mode}: expected serve or validate`);
  const logLevel = logLevelOf(text('log-level') ?? 'info');
  if (logLevel === undefined) {
    problems.push(
      `--log-level ${text('log-level')}: expected trace, debug, info, warning, error, critical or off`,
    );
  }
  const drainTimeS = number('drain-time-s', 86_400);
  const maxSeries = number('max-series', 1_000_000);
  const baseId = number('base-id', 2 ** 32 - 1) ?? 0;
  const concurrency = Math.max(1, number('concurrency', MOST_WORKERS) ?? 1);
  for (const name of Object.keys(WITHOUT_EFFECT)) {
    if (values[name] !== undefined && !SILENT.has(name)) notices.push(`--${name}: accepted, without effect`);
  }
  if (problems.length > 0) return { kind: 'problems', problems };
  return {
    kind: 'run',
    commandLine: {
      configPath: text('config-path'),
      configYaml: text('config-yaml'),
      mode: mode === 'validate' ? 'validate' : 'serve',
      logLevel: logLevel ?? 'info',
      serviceNode: text('service-node') ?? '',
      serviceCluster: text('service-cluster') ?? '',
      serviceZone: text('service-zone') ?? '',
      adminAddressPath: text('admin-address-path'),
      drainTimeMs: drainTimeS === undefined ? undefined : drainTimeS * 1000,
      stateDirectory: text('state-dir'),
      identity: {
        caAddress: text('ca-address'),
        caServerName: text('ca-server-name'),
        caRootFile: text('ca-root-file'),
        caTokenFile: text('ca-token-file'),
        identity: text('identity'),
        certificateTtl: text('cert-ttl'),
      },
      maxSeries,
      baseId,
      concurrency,
      notices,
    },
  };
}

/** A log level of ours from one of Envoy's names, or of our own. */
export function logLevelOf(name: string): LogLevel | undefined {
  const lower = name.toLowerCase();
  if (lower === 'warning') return 'warn';
  if (lower === 'critical') return 'error';
  return isLogLevel(lower) ? lower : undefined;
}
