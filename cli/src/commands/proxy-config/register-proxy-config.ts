import { Option, type Command } from 'commander';
import type { CommandContext } from '../command-context.js';
import { configKinds, type ConfigKindName } from './config-tables.js';
import { runProxyConfig, runProxyLog, type ProxyConfigOptions } from './run-proxy-config.js';
import type { FindAdminOptions } from './find-admin.js';

interface Given {
  readonly admin?: string;
  readonly stateDir: string;
  readonly apiPort?: number;
  readonly output: ProxyConfigOptions['output'];
  readonly port?: number;
  readonly fqdn?: string;
  readonly direction?: string;
  readonly subset?: string;
  readonly name?: string;
}

const DESCRIPTIONS: Readonly<Record<ConfigKindName | 'all', string>> = {
  bootstrap: 'what it was started with',
  listeners: 'where it listens, and what becomes of connections',
  routes: 'which requests go where',
  clusters: 'what it may send requests to',
  endpoints: 'the hosts behind its clusters, and their health',
  secrets: 'its certificates and roots, without keys',
  all: 'all of these',
};

const FILTERS: Readonly<Record<ConfigKindName | 'all', readonly (keyof Given)[]>> = {
  bootstrap: [],
  listeners: ['port', 'name'],
  routes: ['name'],
  clusters: ['port', 'fqdn', 'direction', 'subset', 'name'],
  endpoints: ['port', 'fqdn', 'direction', 'subset', 'name'],
  secrets: ['name'],
  all: [],
};

/** Adds `heddle proxy-config` and what is below it. */
export function registerProxyConfig(program: Command, options: CommandContext): void {
  const { terminal, environment, parsePort, resolvePath } = options;
  const group = program
    .command('proxy-config')
    .alias('pc')
    .description('show what a proxy runs by, as it says itself')
    .addHelpText(
      'after',
      `
Examples:
  heddle proxy-config routes productpage
  heddle proxy-config clusters productpage.shop --fqdn reviews.shop.svc.cluster.local
  heddle proxy-config endpoints productpage --port 9080 -o json
  heddle proxy-config all --admin 127.0.0.1:15000        # any proxy with Envoy's admin pages
  heddle proxy-config log productpage --level debug

PROXY is a name of "heddle proxy-status": NAME.NAMESPACE, or a part of it that is the only one.`,
    );
  const find = (proxy: string | undefined, given: Given): FindAdminOptions => ({
    proxy,
    admin: given.admin,
    stateFolder: resolvePath(given.stateDir),
    apiPort: given.apiPort,
    tokenFile: undefined,
    environment,
  });
  const subcommand = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .argument('[proxy]', 'which one, as "heddle proxy-status" names it')
      .option('--admin <host:port>', 'the admin address of a proxy that heddled does not know')
      .option('--state-dir <folder>', 'of the "heddle up" whose proxy is meant', '.heddle')
      .option('--api-port <port>', "the port of another heddled's API", parsePort);
  for (const kind of [...(Object.keys(configKinds) as ConfigKindName[]), 'all'] as const) {
    const command = subcommand(kind, DESCRIPTIONS[kind]).addOption(
      new Option('-o, --output <format>', 'how it is printed')
        .choices(['text', 'json', 'yaml'])
        .default('text'),
    );
    const takes = (name: keyof Given): boolean => FILTERS[kind].includes(name);
    if (takes('port')) command.option('--port <port>', 'only of this port', parsePort);
    if (takes('fqdn')) command.option('--fqdn <host>', 'only of this service');
    if (takes('direction'))
      command.addOption(new Option('--direction <way>', 'only this way').choices(['inbound', 'outbound']));
    if (takes('subset')) command.option('--subset <name>', 'only of this subset');
    if (takes('name')) command.option('--name <name>', 'only the one of this name');
    command.action(async (proxy: string | undefined, given: Given) => {
      const { port, fqdn, direction, subset, name, output } = given;
      process.exitCode = await runProxyConfig({
        ...find(proxy, given),
        ...{ kind, output, terminal },
        filter: { port, fqdn, direction, subset, name },
      });
    });
  }
  subcommand('log', 'how much it logs, and to change that')
    .option('--level <level>', 'from now on: trace, debug, info, warning, error, critical or off')
    .action(async (proxy: string | undefined, given: Given & { readonly level?: string }) => {
      process.exitCode = await runProxyLog({ ...find(proxy, given), level: given.level, terminal });
    });
}
