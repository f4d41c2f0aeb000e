import { defaultMeshSettings } from '@heddle/control-plane';
import { systemClock } from '@heddle/common';
import { Option, type Command } from 'commander';
import type { CommandContext } from '../command-context.js';
import { runExplain, type ExplainOptions } from './run-explain.js';

interface Given {
  readonly filename?: string[];
  readonly rootNamespace: string;
  readonly from: string;
  readonly label?: string[];
  readonly serviceAccount?: string;
  readonly method: string;
  readonly header?: string[];
  readonly via?: 'port' | 'http-proxy';
  readonly stateDir: string;
  readonly apiPort?: number;
  readonly output: ExplainOptions['output'];
}

/** Adds `heddle explain`. */
export function registerExplain(program: Command, options: CommandContext): void {
  const { terminal, environment, parsePort, resolvePath } = options;
  const list = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value];
  program
    .command('explain')
    .description('tell what the mesh would do with a request, and why, without sending it')
    .argument('<url>', 'as the application calls it: http://reviews:9080/')
    .requiredOption('--from <workload>', 'who calls: WORKLOAD, WORKLOAD.NAMESPACE, or a gateway')
    .option(
      '-f, --filename <folder>',
      'a folder of YAML instead of a running mesh; repeatable',
      (value, before) => list(resolvePath(value), before as string[] | undefined),
    )
    .option('-X, --method <method>', 'of the request', 'GET')
    .option('-H, --header <name: value>', 'of the request; repeatable', list)
    .addOption(
      new Option('--via <way>', 'where interception is explicit: which way the application calls').choices([
        'port',
        'http-proxy',
      ]),
    )
    .option(
      '--label <name=value>',
      'with -f: of a caller that is no Workload of the folder; repeatable',
      list,
    )
    .option('-s, --service-account <name>', 'with -f: of a caller that is no Workload of the folder')
    .option(
      '--root-namespace <name>',
      'with -f: the namespace whose policies hold for the whole mesh',
      defaultMeshSettings.rootNamespace,
    )
    .option('--state-dir <folder>', 'of the "heddle up" whose mesh is meant', '.heddle')
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
  heddle explain --from productpage http://reviews:9080/reviews/1
  heddle explain --from productpage -H 'end-user: jason' http://reviews:9080/
  heddle explain -f mesh --from gateway -X POST http://shop.example:8080/cart
  heddle explain -f mesh --from curl --label app=curl http://reviews:9080/

It runs the code of heddled and of its proxies: routes, policies, limits and balancing decide here as
they do there. Where chance decides, every way is told with its share.`,
    )
    .action(async (url: string, given: Given) => {
      const labels = Object.fromEntries(
        (given.label ?? []).map((text) => {
          const [name = '', ...value] = text.split('=');
          return [name, value.join('=')] as const;
        }),
      );
      const isOther = given.label !== undefined || given.serviceAccount !== undefined;
      process.exitCode = await runExplain({
        folders: given.filename ?? [],
        rootNamespace: given.rootNamespace,
        from: given.from,
        as: isOther ? { labels, serviceAccount: given.serviceAccount ?? 'default' } : undefined,
        method: given.method,
        url,
        headers: given.header ?? [],
        via: given.via,
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
