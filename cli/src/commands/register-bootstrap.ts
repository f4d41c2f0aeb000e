import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal.js';
import { runBootstrap } from './bootstrap.js';

interface BootstrapArguments {
  readonly for: 'envoy' | 'grpc';
  readonly output: 'yaml' | 'json';
  readonly role: 'sidecar' | 'gateway';
  readonly name?: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly locality?: string;
  readonly workload?: string;
  readonly label?: string[];
  readonly socket: string;
  readonly certDir: string;
  readonly xdsAddress?: string;
  readonly variant: 'delta' | 'sotw';
  readonly adminPort: number;
  readonly accessLog: string;
  readonly inbound?: string[];
  readonly outbound?: string[];
  readonly httpProxy?: number;
  readonly hbone?: number;
  readonly gatewayPort?: string[];
}

/** Adds `heddle bootstrap`. */
export function registerBootstrap(
  program: Command,
  options: {
    readonly terminal: Terminal;
    readonly parsePort: (text: string) => number;
    readonly resolvePath: (path: string) => string;
  },
): void {
  const { terminal, parsePort, resolvePath } = options;
  const collect = (value: string, before: readonly string[] | undefined): string[] => [
    ...(before ?? []),
    value,
  ];
  program
    .command('bootstrap')
    .description('print a bootstrap for an Envoy or a gRPC program beside a "heddle agent"')
    .addOption(
      new Option('--for <kind>', 'what starts from it').choices(['envoy', 'grpc']).makeOptionMandatory(),
    )
    .addOption(
      new Option('-o, --output <format>', 'how it is printed').choices(['yaml', 'json']).default('yaml'),
    )
    .requiredOption('-s, --service-account <name>', "the agent's")
    .option('-n, --namespace <name>', 'its namespace', 'default')
    .addOption(new Option('--role <role>', 'of an Envoy').choices(['sidecar', 'gateway']).default('sidecar'))
    .option('--name <name>', 'of the instance (default: the service account)')
    .option('--workload <name>', 'of the Workload (default: the name)')
    .option('--label <name=value>', 'a label of the workload; repeatable', collect)
    .option('--locality <region/zone/subzone>', 'where it runs')
    .option('--socket <path>', "the agent's", '.heddle-agent/socket')
    .option('--cert-dir <folder>', "the agent's, for gRPC", '.heddle-agent/certs')
    .option('--xds-address <host:port>', "for gRPC without an agent: heddled's xDS in plain text")
    .addOption(new Option('--variant <variant>', 'of xDS').choices(['delta', 'sotw']).default('delta'))
    .option('--admin-port <port>', "of Envoy's admin pages", parsePort, 15_000)
    .option('--access-log <path>', 'where Envoy writes it; none: nowhere', '/dev/stdout')
    .option('--inbound <name:port:listen:application>', 'a port of the application; repeatable', collect)
    .option('--outbound <host:port=local>', 'where a service is reached; repeatable', collect)
    .option('--http-proxy <port>', 'a port that takes any service by its Host', parsePort)
    .option('--hbone <port>', 'speak HBONE, and take tunnels there', parsePort)
    .option('--gateway-port <port=real>', 'the real port for one that Gateways name; repeatable', collect)
    .action((given: BootstrapArguments) => {
      process.exitCode = runBootstrap({
        ...given,
        name: given.name ?? given.serviceAccount,
        workload: given.workload,
        locality: given.locality,
        labels: given.label ?? [],
        socket: resolvePath(given.socket),
        certDir: resolvePath(given.certDir),
        xdsAddress: given.xdsAddress,
        inbound: given.inbound ?? [],
        outbound: given.outbound ?? [],
        httpProxy: given.httpProxy ?? 0,
        hbone: given.hbone,
        gatewayPorts: given.gatewayPort ?? [],
        terminal,
      });
    });
}
