import { Option, type Command } from 'commander';
import type { LogLevel } from '@heddle/common';
import type { Terminal } from '../terminal.js';

interface AgentArguments {
  readonly caAddress: string;
  readonly caRootFile: string;
  readonly caTokenFile?: string;
  readonly caServerName?: string;
  readonly xdsAddress?: string;
  readonly identity?: string;
  readonly namespace: string;
  readonly serviceAccount?: string;
  readonly trustDomain: string;
  readonly name?: string;
  readonly certTtl?: string;
  readonly socket: string;
  readonly certDir?: string;
  readonly logLevel: LogLevel;
}

/** Adds `heddle agent`. */
export function registerAgent(
  program: Command,
  options: { readonly terminal: Terminal; readonly resolvePath: (path: string) => string },
): void {
  const { terminal, resolvePath } = options;
  const resolved = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolvePath(path);
  program
    .command('agent')
    .description(
      'hold the identity of a workload for an Envoy or a gRPC program beside it, over a Unix socket',
    )
    .requiredOption('--ca-root-file <file>', 'PEM of the roots by which heddled is known ("heddle ca roots")')
    .option('--ca-address <host:port>', 'where certificates come from', '127.0.0.1:15012')
    .option('--ca-token-file <file>', 'a join token, readable by you alone ("heddle ca token")')
    .option('--ca-server-name <name>', 'the authority is not heddled: the host name in its certificate')
    .option('--xds-address <host:port>', 'where configuration comes from (default: the same as certificates)')
    .option('-s, --service-account <name>', 'whose identity')
    .option('-n, --namespace <name>', 'its namespace', 'default')
    .option('--trust-domain <name>', 'of the mesh', 'cluster.local')
    .option('--identity <spiffe-id>', 'instead of the three')
    .option('--name <name>', 'by which heddled lists this workload')
    .option('--cert-ttl <duration>', "how long certificates should live (default: the authority's)")
    .option(
      '--socket <path>',
      'where SDS and xDS are served, in a folder of your own',
      '.heddle-agent/socket',
    )
    .option('--cert-dir <folder>', 'keep certificate, key and roots there as files, too, for gRPC programs')
    .addOption(
      new Option('--log-level <level>', 'what is written to standard error')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'off'])
        .default('info'),
    )
    .action(async (given: AgentArguments) => {
      // Nobody else of the command line needs gRPC.
      const { runAgent } = await import('../agent/run-agent.js');
      process.exitCode = await runAgent({
        caAddress: given.caAddress,
        caServerName: given.caServerName,
        xdsAddress: given.xdsAddress,
        rootFile: resolvePath(given.caRootFile),
        tokenFile: resolved(given.caTokenFile),
        identity: given.identity,
        namespace: given.namespace,
        serviceAccount: given.serviceAccount,
        trustDomain: given.trustDomain,
        name: given.name,
        certificateTtl: given.certTtl,
        socket: resolvePath(given.socket),
        certDir: resolved(given.certDir),
        logLevel: given.logLevel,
        terminal,
      });
    });
}
