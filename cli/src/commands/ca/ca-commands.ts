import { writeFileSync } from 'node:fs';
import { describeError, parseDurationMs, type Clock } from '@heddle/common';
import { stringify } from 'yaml';
import type { ReportedAuthority, ReportedHolder } from '../../launcher/ca-reports.js';
import { table, type Terminal } from '../../terminal.js';
import { heddledClient, type HeddledAccessOptions } from '../heddled-access.js';
import { rotateRoot } from './rotate-root.js';

export type OutputFormat = 'text' | 'json' | 'yaml';

export interface CaCommandOptions extends HeddledAccessOptions {
  readonly output: OutputFormat;
  readonly terminal: Terminal;
}

/** What heddled allows. */
const MOST_TTL_MS = 720 * 3_600_000;

/** `heddle ca status`. Resolves with the exit code. */
export function runCaStatus(options: CaCommandOptions): Promise<number> {
  return withClient(options, async ({ client }) => {
    const [authority, workloads] = [await client.authority(), await client.holders()];
    print(options, { ...authority, workloads }, () => statusLines(authority, workloads));
  });
}

/** `heddle ca roots`. Resolves with the exit code. */
export function runCaRoots(
  options: CaCommandOptions & { readonly format: 'pem' | 'spiffe'; readonly file: string | undefined },
): Promise<number> {
  return withClient(options, async ({ client }) => {
    const text = await client.text('GET', `/api/v1/ca/roots?format=${options.format}`);
    if (options.file === undefined) options.terminal.say(text.trimEnd());
    else writeFileSync(options.file, text);
  });
}

/** `heddle ca token`. Resolves with the exit code. */
export function runCaToken(
  options: CaCommandOptions & {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly ttl: string;
    readonly file: string | undefined;
  },
): Promise<number> {
  return withClient(options, async ({ client }) => {
    const ttlMs = parseDurationMs(options.ttl);
    if (ttlMs === undefined || ttlMs < 1_000 || ttlMs > MOST_TTL_MS)
      throw new Error(`--ttl ${options.ttl}: expected a duration from 1s to 720h, such as 24h`);
    const issued = await client.issueToken(
      options.namespace,
      options.serviceAccount,
      Math.floor(ttlMs / 1000),
    );
    // A file that is there already keeps its mode, so it must not be there.
    if (options.file !== undefined)
      writeFileSync(options.file, `${issued.token}\n`, { mode: 0o600, flag: 'wx' });
    const { token, ...rest } = issued;
    print(options, options.file === undefined ? issued : { ...rest, file: options.file }, () =>
      options.file === undefined ? [token] : [`${issued.identity} until ${issued.expires}: ${options.file}`],
    );
  });
}

/** `heddle ca revoke`. Resolves with the exit code. */
export function runCaRevoke(options: CaCommandOptions & { readonly id: string }): Promise<number> {
  return withClient(options, async ({ client }) => {
    await client.revokeToken({ id: options.id });
    print(options, { revoked: options.id }, () => [`${options.id} is worth nothing any more`]);
  });
}

/** `heddle ca rotate-root`: one step, or all of them. Resolves with the exit code. */
export function runRotateRoot(
  options: CaCommandOptions & {
    readonly step: 'begin' | 'switch' | 'finish' | undefined;
    readonly force: boolean;
    readonly timeout: string;
    readonly settle: string;
    readonly clock: Clock;
  },
): Promise<number> {
  return withClient(options, async ({ client }) => {
    const { step, clock, terminal, output } = options;
    const authority =
      step === undefined
        ? await rotateRoot({
            client,
            clock,
            timeoutMs: durationOf('--timeout', options.timeout),
            settleMs: durationOf('--settle', options.settle),
            onProgress: (text) => (output === 'text' ? terminal.say(text) : undefined),
          })
        : await client.rotate(step, options.force);
    print(options, authority, () => (step === undefined ? [] : statusLines(authority, [])));
  });
}

function statusLines(authority: ReportedAuthority, workloads: readonly ReportedHolder[]): readonly string[] {
  const { trustDomain, rotation, roots, serving, issued } = authority;
  const signer = roots.find(({ signs }) => signs)?.fingerprint;
  const rows = workloads
    .map(({ identity, id, presence, root, provenUntil, knowsRoots }) => [
      identity,
      id.split('~')[2] ?? id,
      presence,
      root === undefined ? '-' : root === signer ? 'of the root that signs' : 'of another root',
      root === undefined ? '-' : provenUntil,
      knowsRoots ? 'yes' : 'no',
    ])
    .sort(([a = '', first = ''], [b = '', second = '']) =>
      a === b ? first.localeCompare(second) : a.localeCompare(b),
    );
  return [
    `trust domain  ${trustDomain}`,
    `rotation      ${rotation}${authority.oldLeavesUntil === undefined ? '' : `, old certificates until ${authority.oldLeavesUntil}`}`,
    `issued        ${issued} certificates since heddled started`,
    `heddled       certificate until ${serving.notAfter ?? '-'}, alarm ${serving.alarm}`,
    ...roots.map(
      ({ fingerprint, notAfter, signs }) =>
        `root          ${fingerprint.slice(0, 16)} until ${notAfter}${signs ? ', signs' : ''}`,
    ),
    ...(rows.length === 0
      ? []
      : ['', ...table([['IDENTITY', 'NAME', 'PRESENCE', 'CERTIFICATE', 'UNTIL', 'HAS THE ROOTS'], ...rows])]),
  ];
}

function print({ output, terminal }: CaCommandOptions, value: unknown, lines: () => readonly string[]): void {
  if (output === 'json') terminal.say(JSON.stringify(value, null, 2));
  else if (output === 'yaml') terminal.say(stringify(value).trimEnd());
  else for (const line of lines()) terminal.say(line);
}

function durationOf(option: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < 0) throw new Error(`${option} ${text}: expected a duration such as 5m`);
  return ms;
}

async function withClient(
  options: CaCommandOptions,
  act: (access: ReturnType<typeof heddledClient>) => Promise<void>,
): Promise<number> {
  try {
    await act(heddledClient(options));
    return 0;
  } catch (cause) {
    options.terminal.error(describeError(cause));
    return 1;
  }
}
