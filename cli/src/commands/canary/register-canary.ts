import { Option, type Command } from 'commander';
import type { Terminal } from '../../terminal.js';
import { runCanaryCommand, runCanaryStatus, type CanaryCommandOptions } from './canary-commands.js';

export interface RegisterCanaryOptions {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly parsePort: (text: string) => number;
  readonly resolvePath: (path: string) => string;
}

interface Given {
  readonly namespace: string;
  readonly stateDir: string;
  readonly apiPort?: number;
  readonly tokenFile?: string;
  readonly output: CanaryCommandOptions['output'];
}

const COMMANDS = [
  ['promote', 'give the canary all calls now, whatever was measured'],
  ['pause', 'keep it at its weight until "resume"; it is still ended when it fails'],
  ['resume', 'go on after "pause", or after a step that waits for you'],
  ['abort', 'take all calls from it'],
  ['restart', 'begin anew with the first step'],
] as const;

/** Adds `heddle canary` and what is below it. */
export function registerCanary(program: Command, options: RegisterCanaryOptions): void {
  const { terminal, environment, resolvePath } = options;
  const canary = program
    .command('canary')
    .description('look at releases that get their traffic step by step, and lead them by hand')
    .addHelpText(
      'after',
      '\nExamples:\n  heddle canary status\n  heddle canary pause reviews\n  heddle canary promote reviews -n shop',
    );
  const subcommand = (name: string, description: string): Command =>
    canary
      .command(name)
      .description(description)
      .option('-n, --namespace <name>', 'its namespace', 'default')
      .option('--state-dir <folder>', 'of the "heddle up" whose heddled is meant', '.heddle')
      .option('--api-port <port>', "the port of another heddled's API", options.parsePort)
      .option(
        '--token-file <file>',
        'the token for writes of that heddled (or the environment: HEDDLE_TOKEN)',
      )
      .addOption(
        new Option('-o, --output <format>', 'how it is printed')
          .choices(['text', 'json', 'yaml'])
          .default('text'),
      );
  const access = (given: Given): Omit<CanaryCommandOptions, 'name'> => ({
    stateFolder: resolvePath(given.stateDir),
    apiPort: given.apiPort,
    tokenFile: given.tokenFile === undefined ? undefined : resolvePath(given.tokenFile),
    namespace: given.namespace,
    output: given.output,
    environment,
    terminal,
  });
  subcommand('status', 'show where canaries are and why, and of one what happened to it')
    .argument('[name]', 'one canary')
    .action(async (name: string | undefined, given: Given) => {
      process.exitCode = await runCanaryStatus({ ...access(given), name });
    });
  for (const [command, description] of COMMANDS) {
    subcommand(command, description)
      .argument('<name>', 'which canary')
      .action(async (name: string, given: Given) => {
        process.exitCode = await runCanaryCommand({ ...access(given), name, command });
      });
  }
}
