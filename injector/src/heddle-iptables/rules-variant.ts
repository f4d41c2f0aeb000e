import { spawnSync } from 'node:child_process';
import { InterceptionRulesError } from '../errors.js';
import { type PlanBackend, type PlanProgram } from '../interception-rules/interception-plan.js';
import { NFTABLES_TABLE } from '../interception-rules/nftables-rules.js';

/** The programs that can set rules up; one of them is used throughout, for the kernel keeps their rules apart. */
export const RULES_VARIANTS = ['iptables-nft', 'iptables-legacy', 'nftables'] as const;
export type RulesVariant = (typeof RULES_VARIANTS)[number];

/** How a program ended. */
export interface ProgramRun {
  /** undefined: it could not be started, or did not end in time. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; `input` is complete before it starts. */
export type RunProgram = (program: string, args: readonly string[], input?: string) => ProgramRun;

/** More than any of these programs takes, also while another waits for the lock of the tables. */
const PROGRAM_TIMEOUT_MS = 20_000;
/** A table with more rules than this is not ours to read. */
const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Programs of this machine, found in the usual folders too when PATH leaves them out, as it does for ordinary users. */
export function systemPrograms(environment: Readonly<Record<string, string | undefined>>): RunProgram {
  const path = `${environment['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`;
  return (program, args, input = '') => {
    const run = spawnSync(program, args, {
      encoding: 'utf8',
      env: { ...environment, PATH: path },
      input,
      maxBuffer: MOST_OUTPUT_BYTES,
      timeout: PROGRAM_TIMEOUT_MS,
    });
    return {
      status: run.error === undefined ? (run.status ?? undefined) : undefined,
      stdout: run.stdout ?? '',
      stderr: run.error === undefined ? run.stderr : run.error.message,
    };
  };
}

/** The backend whose texts a variant takes. */
export function backendOf(variant: RulesVariant): PlanBackend {
  return variant === 'nftables' ? 'nftables' : 'iptables';
}

/** What a step's program is called in a variant: `iptables-restore` is `iptables-nft-restore`. */
export function programOf(program: PlanProgram, variant: RulesVariant): string {
  if (variant === 'nftables' || !/^ip6?tables/.test(program)) return program;
  return program.replace(/^(ip6?tables)/, `$1${variant.slice('iptables'.length)}`);
}

/**
 * The variant to use where nobody says which: the one that holds rules already, else iptables over nftables, else nft,
 * else the legacy iptables.
 *
 * Errors: InterceptionRulesError, when none of them works here, with what each of them said.
 */
export function chooseVariant(run: RunProgram): RulesVariant {
  const refusals: string[] = [];
  const usable = RULES_VARIANTS.filter((variant) => {
    const refusal = whyNot(variant, run);
    if (refusal !== undefined) refusals.push(`${variant}: ${refusal}`);
    return refusal === undefined;
  });
  const ours = usable.find((variant) => holdsOurs(variant, run));
  if (ours !== undefined) return ours;
  // Rules of others in one kind of table would come before or after ours in an order that nobody sees.
  const legacy = usable.find((variant) => variant === 'iptables-legacy');
  if (legacy !== undefined && natRulesOf(legacy, run).length > 0) return legacy;
  const preferred: readonly RulesVariant[] = ['iptables-nft', 'nftables', 'iptables-legacy'];
  const chosen = preferred.find((variant) => usable.includes(variant));
  if (chosen !== undefined) return chosen;
  throw new InterceptionRulesError(`no program can set rules up here:\n${refusals.join('\n')}`);
}

/** Why a variant cannot be used; undefined: it can. */
export function whyNot(variant: RulesVariant, run: RunProgram): string | undefined {
  const [program, args] =
    variant === 'nftables' ? ['nft', ['list', 'tables']] : [variant, ['-w', '-t', 'nat', '-S']];
  const { status, stderr } = run(program as string, args as readonly string[]);
  return status === 0 ? undefined : describeFailure(program as string, stderr);
}

/** Whether rules of ours are set up with this variant. */
export function holdsOurs(variant: RulesVariant, run: RunProgram): boolean {
  if (variant === 'nftables') return run('nft', ['list', 'table', ...NFTABLES_TABLE.split(' ')]).status === 0;
  return natRulesOf(variant, run).some((rule) => rule.includes('HEDDLE_'));
}

function natRulesOf(variant: 'iptables-nft' | 'iptables-legacy', run: RunProgram): readonly string[] {
  const { status, stdout } = run(variant, ['-w', '-t', 'nat', '-S']);
  return status === 0 ? stdout.split('\n').filter((line) => line.startsWith('-A ')) : [];
}

/** What a program said, with what to do about it where that is known. */
export function describeFailure(program: string, stderr: string): string {
  const said = stderr.trim().split('\n')[0] ?? '';
  if (/ENOENT/.test(said)) return `${program} is not installed`;
  if (/permission|not permitted|must be root|you must be root|EPERM/i.test(said))
    return `${said} (it needs root, or CAP_NET_ADMIN in this network namespace)`;
  return said === '' ? `${program} failed without a word` : said;
}
