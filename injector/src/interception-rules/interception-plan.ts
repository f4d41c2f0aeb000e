import { PROXY_MARK, ROUTE_TABLE, INBOUND_SOURCE, type InterceptionConfig } from './interception-config.js';
import { iptablesCleanup, iptablesRules, type AddressFamily } from './iptables-rules.js';
import { nftablesCleanup, nftablesRules } from './nftables-rules.js';

/**
 * What a step runs. `iptables`, `ip6tables` and their `-restore` are either the nft or the legacy variant of them;
 * whoever runs a plan uses one variant throughout.
 */
export type PlanProgram = 'iptables' | 'ip6tables' | 'iptables-restore' | 'ip6tables-restore' | 'nft' | 'ip';

/** One command of a plan; the steps are run in their order, one after the other. */
export interface PlanStep {
  readonly program: PlanProgram;
  readonly args: readonly string[];
  /** Given on standard input. It is complete before the command starts: a pipe from a lock's holder would deadlock. */
  readonly input?: string;
  /** Arguments of a command which, where it succeeds, makes this one needless. */
  readonly unless?: readonly string[];
  /** `once`: failing is no error, for there may be nothing to remove. `repeat`: run until it fails. */
  readonly failure?: 'once' | 'repeat';
}

export type PlanBackend = 'iptables' | 'nftables';

/** The commands that start interception. Running them again changes nothing. */
export function interceptionPlan(config: InterceptionConfig, backend: PlanBackend): readonly PlanStep[] {
  const families: readonly AddressFamily[] = config.ipv6 ? ['v4', 'v6'] : ['v4'];
  const steps: PlanStep[] = [];
  if (config.ipv6) {
    // 127.0.0.6 is there by itself; its counterpart is not.
    steps.push({ program: 'ip', args: ['-6', 'addr', 'replace', `${INBOUND_SOURCE.v6}/128`, 'dev', 'lo'] });
  }
  if (config.mode === 'TPROXY') steps.push(...families.flatMap(routingSteps));
  if (backend === 'nftables') {
    steps.push({ program: 'nft', args: ['-f', '-'], input: nftablesRules(config) });
    return Object.freeze(steps);
  }
  const rules = iptablesRules(config);
  for (const family of families) {
    steps.push({
      program: family === 'v4' ? 'iptables-restore' : 'ip6tables-restore',
      args: ['-w', '--noflush'],
      input: rules[family],
    });
    steps.push(...iptablesJumps(config, family));
  }
  return Object.freeze(steps);
}

/** The commands that end interception, in whatever mode it was started; they succeed also where there is none. */
export function cleanupPlan(backend: PlanBackend): readonly PlanStep[] {
  const families: readonly AddressFamily[] = ['v4', 'v6'];
  const routing = families.flatMap((family): readonly PlanStep[] => {
    const ip = family === 'v4' ? '-4' : '-6';
    return [
      { program: 'ip', args: [ip, 'rule', 'del', ...ROUTE_RULE], failure: 'repeat' },
      { program: 'ip', args: [ip, 'route', 'del', ...LOCAL_ROUTE], failure: 'once' },
    ];
  });
  const address: PlanStep = {
    program: 'ip',
    args: ['-6', 'addr', 'del', `${INBOUND_SOURCE.v6}/128`, 'dev', 'lo'],
    failure: 'once',
  };
  if (backend === 'nftables') {
    return Object.freeze([
      { program: 'nft', args: ['-f', '-'], input: nftablesCleanup() },
      ...routing,
      address,
    ]);
  }
  const tables = families.flatMap((family): readonly PlanStep[] => [
    ...JUMPS.map(({ table, rule }): PlanStep => ({
      program: family === 'v4' ? 'iptables' : 'ip6tables',
      args: ['-w', '-t', table, '-D', ...rule],
      failure: 'repeat',
    })),
    {
      program: family === 'v4' ? 'iptables-restore' : 'ip6tables-restore',
      args: ['-w', '--noflush'],
      input: iptablesCleanup(),
      ...(family === 'v6' ? { failure: 'once' } : {}),
    },
  ]);
  return Object.freeze([...tables, ...routing, address]);
}

interface Jump {
  readonly table: 'nat' | 'mangle';
  readonly mode?: 'REDIRECT' | 'TPROXY';
  readonly rule: readonly string[];
}

const JUMPS: readonly Jump[] = [
  { table: 'nat', mode: 'REDIRECT', rule: ['PREROUTING', '-p', 'tcp', '-j', 'HEDDLE_INBOUND'] },
  { table: 'nat', rule: ['OUTPUT', '-p', 'tcp', '-j', 'HEDDLE_OUTPUT'] },
  { table: 'nat', rule: ['OUTPUT', '-p', 'udp', '--dport', '53', '-j', 'HEDDLE_DNS'] },
  { table: 'mangle', mode: 'TPROXY', rule: ['PREROUTING', '-p', 'tcp', '-j', 'HEDDLE_TPROXY_IN'] },
  { table: 'mangle', mode: 'TPROXY', rule: ['OUTPUT', '-p', 'tcp', '-j', 'HEDDLE_TPROXY_OUT'] },
];

/** The jumps from the kernel's chains to ours, each added only where it is not there yet. */
export function iptablesJumps(config: InterceptionConfig, family: AddressFamily): readonly PlanStep[] {
  return JUMPS.filter(({ mode }) => mode === undefined || mode === config.mode).map(({ table, rule }) => ({
    program: family === 'v4' ? 'iptables' : 'ip6tables',
    args: ['-w', '-t', table, '-A', ...rule],
    unless: ['-w', '-t', table, '-C', ...rule],
  }));
}

const ROUTE_RULE = ['fwmark', String(PROXY_MARK), 'lookup', String(ROUTE_TABLE)];
const LOCAL_ROUTE = ['local', 'default', 'dev', 'lo', 'table', String(ROUTE_TABLE)];

function routingSteps(family: AddressFamily): readonly PlanStep[] {
  const ip = family === 'v4' ? '-4' : '-6';
  return [
    // An equal rule may be there already, and adding it again fails.
    { program: 'ip', args: [ip, 'rule', 'del', ...ROUTE_RULE], failure: 'repeat' },
    { program: 'ip', args: [ip, 'rule', 'add', ...ROUTE_RULE] },
    { program: 'ip', args: [ip, 'route', 'replace', ...LOCAL_ROUTE] },
  ];
}

/** The plan as a shell script that does the same, for `--dry-run` and for reading. */
export function formatPlan(steps: readonly PlanStep[]): string {
  return steps.map(formatStep).join('');
}

function formatStep({ program, args, input, unless, failure }: PlanStep): string {
  const command = [program, ...args].map(shellWord).join(' ');
  if (input !== undefined) return `${command} <<'END'${failure ? ' || true' : ''}\n${input}END\n`;
  if (unless !== undefined) {
    return `${[program, ...unless].map(shellWord).join(' ')} 2>/dev/null || ${command}\n`;
  }
  if (failure === 'repeat') return `while ${command} 2>/dev/null; do :; done\n`;
  return failure === 'once' ? `${command} 2>/dev/null || true\n` : `${command}\n`;
}

function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
