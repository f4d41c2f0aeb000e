import { systemClock } from '@heddle/common';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CommandContext } from '../command-context.js';
import { runWait, type WaitOptions } from './run-wait.js';

interface Given {
  readonly for: string;
  readonly namespace?: string;
  readonly timeout: string;
  readonly stateDir: string;
  readonly apiPort?: number;
  readonly output: WaitOptions['output'];
}

/** Adds `heddle wait`. */
export function registerWait(program: Command, options: CommandContext): void {
  const { terminal, environment, parsePort, resolvePath } = options;
  program
    .command('wait')
    .description('wait until every proxy to which a resource matters has acknowledged what it means')
    .argument('<kind>', 'of the resource: virtualservice, or KIND/NAME')
    .argument('[name]', 'NAME or NAME.NAMESPACE')
    .addOption(
      new Option('--for <what>', 'delivered and distribution mean the same, as in istioctl')
        .choices(['delivered', 'distribution'])
        .default('distribution'),
    )
    .option('-n, --namespace <name>', 'its namespace')
    .option('--timeout <duration>', 'how long it may take', '30s')
    .option('--state-dir <folder>', 'of the "heddle up" whose heddled is meant', '.heddle')
    .option('--api-port <port>', "the port of another heddled's API", parsePort)
    .addOption(
      new Option('-o, --output <format>', 'how it is printed')
        .choices(['text', 'json', 'yaml'])
        .default('text'),
    )
    .addHelpText(
      'after',
      `
Examples:
  heddle wait virtualservice reviews
  heddle wait --for=distribution vs/reviews -n shop --timeout 10s
  heddle wait authorizationpolicy deny-all.shop -o json

It ends with 0 when all have it, with 1 when it is refused (by heddled or by a proxy), and with 3 when
time is up. Where the resource's file is on this machine, what the file says now is waited for.`,
    )
    .action(async (kindText: string, nameText: string | undefined, given: Given) => {
      const slash = kindText.indexOf('/');
      const kind = slash === -1 ? kindText : kindText.slice(0, slash);
      const name = nameText ?? (slash === -1 ? '' : kindText.slice(slash + 1));
      if (name === '') throw new InvalidArgumentError('which resource? KIND NAME, or KIND/NAME');
      process.exitCode = await runWait({
        ...{ kind, name },
        namespace: given.namespace,
        timeout: given.timeout,
        output: given.output,
        stateFolder: resolvePath(given.stateDir),
        apiPort: given.apiPort,
        tokenFile: undefined,
        environment,
        clock: systemClock,
        terminal,
      });
    });
}
