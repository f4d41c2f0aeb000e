import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isLogLevel, type LogLevel } from '@heddle/common';

/** How heddled was started: the only reader of arguments and environment. */
export interface HeddledConfig {
  readonly folders: readonly string[];
  readonly appliedFolder: string | undefined;
  readonly xdsAddress: string;
  readonly apiHost: string;
  readonly apiPort: number;
  readonly apiAllowedHosts: readonly string[];
  readonly token: string;
  readonly tokenIsGenerated: boolean;
  /** A file that is written, readable by its owner alone, once everything listens. */
  readonly portsFile: string | undefined;
  readonly logLevel: LogLevel;
}

export const HEDDLED_USAGE = `heddled: the control plane of Heddle

Usage: heddled -f FOLDER [-f FOLDER …] [options]

Reads Services, traffic policy and workloads from folders of YAML, watches them, and serves
the configuration of every proxy over the Envoy xDS v3 API.

  -f, --filename FOLDER     a folder of YAML; may be given more than once
      --applied FOLDER      where resources written through the API are kept; without it the API only reads
      --xds HOST:PORT       where proxies connect, plain text     (default 127.0.0.1:15010)
      --api HOST:PORT       HTTP API for CLI and dashboard        (default 127.0.0.1:8080)
      --api-host NAME       a further name by which the API may be called
      --token-file FILE     the token that writes need            (default: made at start and printed;
                            the environment's HEDDLE_TOKEN is taken too)
      --ports-file FILE     write the ports and token there as JSON, mode 0600, when ready
      --log-level LEVEL     trace, debug, info, warn, error, off  (default info)
      --version, --help
`;

/** Errors: every mistake in the arguments, as one text for people. */
export function parseHeddledArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
):
  | { readonly kind: 'run'; readonly config: HeddledConfig }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'error'; readonly message: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        filename: { type: 'string', short: 'f', multiple: true },
        applied: { type: 'string' },
        xds: { type: 'string', default: '127.0.0.1:15010' },
        api: { type: 'string', default: '127.0.0.1:8080' },
        'api-host': { type: 'string', multiple: true },
        'token-file': { type: 'string' },
        'ports-file': { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (cause) {
    return { kind: 'error', message: cause instanceof Error ? cause.message : String(cause) };
  }
  if (values.help) return { kind: 'help' };
  if (values.version) return { kind: 'version' };

  const problems: string[] = [];
  if (values.filename === undefined) problems.push('-f FOLDER is missing: where is the YAML?');
  const api = /^(.+):(\d{1,5})$/.exec(values.api);
  if (api === null || Number(api[2]) > 65_535) problems.push(`--api ${values.api}: expected HOST:PORT`);
  if (!/^.+:\d{1,5}$/.test(values.xds)) problems.push(`--xds ${values.xds}: expected HOST:PORT`);
  const logLevel = values['log-level'];
  if (!isLogLevel(logLevel))
    problems.push(`--log-level ${logLevel}: expected trace, debug, info, warn, error or off`);
  let token = environment['HEDDLE_TOKEN'] ?? '';
  if (values['token-file'] !== undefined) {
    try {
      token = readFileSync(values['token-file'], 'utf8').trim();
      if (token === '') problems.push(`--token-file ${values['token-file']}: the file is empty`);
    } catch (cause) {
      problems.push(
        `--token-file ${values['token-file']}: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
    }
  }
  if (problems.length > 0 || api === null || !isLogLevel(logLevel)) {
    return { kind: 'error', message: problems.join('\n') };
  }
  return {
    kind: 'run',
    config: Object.freeze({
      folders: (values.filename ?? []).map((folder) => resolve(folder)),
      appliedFolder: values.applied === undefined ? undefined : resolve(values.applied),
      xdsAddress: values.xds,
      apiHost: (api[1] as string).replace(/^\[(.*)\]$/, '$1'),
      apiPort: Number(api[2]),
      apiAllowedHosts: (values['api-host'] ?? []).map((name) => name.toLowerCase()),
      token: token === '' ? randomBytes(24).toString('base64url') : token,
      tokenIsGenerated: token === '',
      portsFile: values['ports-file'],
      logLevel,
    }),
  };
}
