import { parseArgs } from 'node:util';
import { isMeshError } from '@heddle/common';
import { InterceptionOptionsError } from '../errors.js';
import { parseInterceptionArguments } from '../interception-rules/interception-arguments.js';
import {
  parseInterceptionOptions,
  type InterceptionConfig,
} from '../interception-rules/interception-config.js';
import { cleanupPlan, formatPlan, interceptionPlan } from '../interception-rules/interception-plan.js';
import {
  RULES_VARIANTS,
  backendOf,
  chooseVariant,
  holdsOurs,
  whyNot,
  type RulesVariant,
  type RunProgram,
} from './rules-variant.js';
import { runPlan } from './run-plan.js';

export const HEDDLE_IPTABLES_USAGE = `heddle-iptables: leads the traffic of a network namespace through its sidecar

Usage: heddle-iptables apply [options]   set the rules up; doing it again changes nothing
       heddle-iptables clean [options]   take them away; succeeds also where there are none

      --backend NAME                 iptables-nft, iptables-legacy, nftables or auto: what holds rules
                                     already, else the first of these that works (default auto)
      --dry-run                      print the commands as a shell script, and run none

  What is intercepted (apply):
      --mode MODE                    REDIRECT, or TPROXY, which keeps clients' addresses inbound
      --outbound-port, --inbound-port, --dns-port PORT     (default 15001, 15006, 15053)
      --dns-capture                  lead questions to port 53, UDP and TCP, to the sidecar
      --no-ipv6                      leave IPv6 alone: it goes past the sidecar
      --proxy-uids, --proxy-gids LIST    whose connections pass: the sidecar's (default 1337)
      --proxy-source, --proxy-source6 ADDRESS  the sidecar by the address that it connects from,
                                     where ids cannot tell it from the application
      --include-inbound-ports, --exclude-inbound-ports LIST      (default * and none)
      --include-outbound-ports, --exclude-outbound-ports LIST
      --include-outbound-ip-ranges, --exclude-outbound-ip-ranges LIST   (default * and none)
      --exclude-interfaces LIST
      --exclude-outbound-uids, --exclude-outbound-gids LIST

  LIST is comma-separated: ports and ids with ranges such as 9000-9010, addresses such as 10.0.0.0/8.
  Cleaning up ends the connections that are intercepted: let the sidecar drain before.
`;

export interface HeddleIptablesOptions {
  readonly run: RunProgram;
  readonly say: (text: string) => void;
  readonly complain: (text: string) => void;
}

/** Runs the tool. Returns the exit code: 0, 1 where the rules cannot be set up or removed, 64 for a wrong command line. */
export function heddleIptables(args: readonly string[], options: HeddleIptablesOptions): number {
  if (args.some((arg) => arg === '--help' || arg === '-h')) {
    options.say(HEDDLE_IPTABLES_USAGE);
    return 0;
  }
  try {
    const command = parseCommand(args);
    if (command.isDryRun) options.say(dryRun(command));
    else if (command.config === undefined) clean(command.variant, options);
    else apply(command.config, command.variant, options);
    return 0;
  } catch (cause) {
    if (!isMeshError(cause)) throw cause;
    options.complain(`heddle-iptables: ${cause.message.replaceAll('\n', '\n  ')}\n`);
    return cause.code === 'MESH_INTERCEPTION_OPTIONS' ? 64 : 1;
  }
}

interface Command {
  /** undefined: clean. */
  readonly config: InterceptionConfig | undefined;
  /** undefined: auto. */
  readonly variant: RulesVariant | undefined;
  readonly isDryRun: boolean;
}

function parseCommand(args: readonly string[]): Command {
  const [verb, ...rest] = args;
  if (verb !== 'apply' && verb !== 'clean') {
    throw new InterceptionOptionsError([
      `${verb === undefined ? 'nothing to do' : JSON.stringify(verb)}: expected apply or clean; try --help`,
    ]);
  }
  const own = { backend: { type: 'string' }, 'dry-run': { type: 'boolean' } } as const;
  const { tokens } = parseArgs({ args: rest, options: own, strict: false, tokens: true });
  let backend = 'auto';
  let isDryRun = false;
  const taken = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (token.name === 'dry-run') isDryRun = true;
    else if (token.name === 'backend') backend = token.value ?? '';
    else continue;
    taken.add(token.index);
    if (token.name === 'backend' && token.inlineValue === false) taken.add(token.index + 1);
  }
  const variant = RULES_VARIANTS.find((known) => known === backend);
  if (variant === undefined && backend !== 'auto') {
    throw new InterceptionOptionsError([
      `--backend ${JSON.stringify(backend)} is not auto or one of ${RULES_VARIANTS.join(', ')}`,
    ]);
  }
  const others = rest.filter((_, index) => !taken.has(index));
  if (verb === 'clean' && others.length > 0) {
    throw new InterceptionOptionsError([
      `clean takes --backend and --dry-run alone, not ${others.join(' ')}`,
    ]);
  }
  const config = verb === 'clean' ? undefined : parseInterceptionOptions(parseInterceptionArguments(others));
  return { config, variant, isDryRun };
}

function dryRun({ config, variant = 'iptables-nft' }: Command): string {
  const backend = backendOf(variant);
  const steps = config === undefined ? cleanupPlan(backend) : interceptionPlan(config, backend);
  return formatPlan(steps);
}

function apply(
  config: InterceptionConfig,
  asked: RulesVariant | undefined,
  options: HeddleIptablesOptions,
): void {
  const { run, say } = options;
  const variant = asked ?? chooseVariant(run);
  for (const other of RULES_VARIANTS) {
    // Two sets of rules would redirect twice, or into each other.
    if (other !== variant && whyNot(other, run) === undefined && holdsOurs(other, run)) {
      runPlan(cleanupPlan(backendOf(other)), other, run);
      say(`removed the rules that ${other} held\n`);
    }
  }
  if (holdsOtherMode(config, variant, run)) {
    runPlan(cleanupPlan(backendOf(variant)), variant, run);
    say('removed the rules of the other mode\n');
  }
  runPlan(interceptionPlan(config, backendOf(variant)), variant, run);
  say(
    `interception is set up: ${config.mode} with ${variant}, outbound to ${config.outboundPort}, inbound to ${config.inboundPort}\n`,
  );
}

/** Rules and routes that the other mode needs and this one must not have; nft replaces its table by itself. */
function holdsOtherMode(config: InterceptionConfig, variant: RulesVariant, run: RunProgram): boolean {
  const isTproxy = run('ip', ['-4', 'rule', 'show', 'fwmark', '1337']).stdout.includes('lookup 133');
  if (config.mode === 'REDIRECT') return isTproxy;
  if (variant === 'nftables') return false;
  return run(variant, ['-w', '-t', 'nat', '-S', 'PREROUTING']).stdout.includes('HEDDLE_INBOUND');
}

function clean(asked: RulesVariant | undefined, { run, say }: HeddleIptablesOptions): void {
  const variants = asked === undefined ? RULES_VARIANTS : [asked];
  const usable = variants.filter((variant) => whyNot(variant, run) === undefined);
  // Says why nothing can be done here, where that is so.
  if (usable.length === 0) chooseVariant(run);
  for (const variant of usable) runPlan(cleanupPlan(backendOf(variant)), variant, run);
  say(`nothing is intercepted any more (${usable.join(', ')})\n`);
}
