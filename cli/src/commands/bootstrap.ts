import { stringify } from 'yaml';
import { nodeLocality, proxyBootstrap, type InboundPort } from '../launcher/proxy-bootstrap.js';
import type { Terminal } from '../terminal.js';

/** What `heddle bootstrap` was told. */
export interface BootstrapOptions {
  readonly for: 'envoy' | 'grpc';
  readonly output: 'yaml' | 'json';
  readonly role: 'sidecar' | 'gateway';
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly locality: string | undefined;
  readonly workload: string | undefined;
  /** Each `NAME=VALUE`. */
  readonly labels: readonly string[];
  readonly socket: string;
  readonly certDir: string;
  /** Set: heddled's xDS in plain text, instead of an agent. */
  readonly xdsAddress: string | undefined;
  readonly variant: 'delta' | 'sotw';
  readonly adminPort: number;
  readonly accessLog: string;
  /** Each `NAME:PORT:LISTEN:APPLICATION`. */
  readonly inbound: readonly string[];
  /** Each `HOST:PORT=LOCAL`. */
  readonly outbound: readonly string[];
  /** 0: none. */
  readonly httpProxy: number;
  /** Where tunnels are taken; undefined: HBONE is not spoken. */
  readonly hbone: number | undefined;
  /** Each `PORT=REAL`. */
  readonly gatewayPorts: readonly string[];
  readonly terminal: Terminal;
}

/** Prints a bootstrap for a proxy or program that gets what it needs from an agent. Returns the exit code. */
export function runBootstrap(options: BootstrapOptions): number {
  const { terminal, output } = options;
  let bootstrap: unknown;
  try {
    bootstrap = options.for === 'envoy' ? envoyBootstrap(options) : grpcBootstrap(options);
  } catch (cause) {
    terminal.error(cause instanceof Error ? cause.message : String(cause));
    return 1;
  }
  terminal.say(
    output === 'json'
      ? JSON.stringify(bootstrap, null, 2)
      : stringify(bootstrap, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd(),
  );
  return 0;
}

function envoyBootstrap(options: BootstrapOptions): unknown {
  return proxyBootstrap({
    role: options.role === 'gateway' ? 'router' : 'sidecar',
    name: options.name,
    namespace: options.namespace,
    workloadName: options.workload ?? options.name,
    labels: pairs('--label', options.labels),
    serviceAccount: options.serviceAccount,
    locality: options.locality,
    adminPort: options.adminPort,
    accessLog: options.accessLog,
    agentSocket: options.socket,
    variant: options.variant,
    hbone: options.hbone !== undefined,
    explicit: {
      bindAddress: '127.0.0.1',
      inbound: options.inbound.map(inboundPort),
      outbound: ports('--outbound', options.outbound),
      httpProxy: options.httpProxy,
      ...(options.hbone === undefined ? {} : { hbone: options.hbone }),
      gatewayPorts: ports('--gateway-port', options.gatewayPorts),
    },
  });
}

/**
 * Source: gRPC's bootstrap (proposals A27, A29): the control plane behind the agent's socket, certificates from its files.
 */
function grpcBootstrap(options: BootstrapOptions): unknown {
  const { name, namespace, workload = name, serviceAccount, certDir } = options;
  return {
    xds_servers: [
      {
        server_uri: options.xdsAddress ?? `unix://${options.socket}`,
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: {
      id: `sidecar~127.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${workload}.${namespace}`,
      // Not every gRPC starts without one.
      locality: {},
      ...nodeLocality(options.locality),
      metadata: {
        GENERATOR: 'grpc',
        NAMESPACE: namespace,
        SERVICE_ACCOUNT: serviceAccount,
        WORKLOAD_NAME: workload,
        LABELS: pairs('--label', options.labels),
        INTERCEPTION_MODE: 'NONE',
      },
    },
    // Certificates come from an agent alone.
    ...(options.xdsAddress === undefined ? { certificate_providers: certificateProviders(certDir) } : {}),
    server_listener_resource_name_template: 'xds.istio.io/grpc/lds/inbound/%s',
  };
}

function certificateProviders(certDir: string): unknown {
  return {
    default: {
      plugin_name: 'file_watcher',
      config: {
        certificate_file: `${certDir}/cert-chain.pem`,
        private_key_file: `${certDir}/key.pem`,
        ca_certificate_file: `${certDir}/root-cert.pem`,
        refresh_interval: '60s',
      },
    },
  };
}

function inboundPort(text: string): InboundPort {
  const match = /^([^:]+):(\d+):(\d+):(\d+)$/.exec(text);
  if (match === null) throw new Error(`--inbound ${text}: expected NAME:PORT:LISTEN:APPLICATION`);
  const [, name = '', port, listen, application] = match;
  return {
    name,
    port: portOf('--inbound', port ?? ''),
    listen: portOf('--inbound', listen ?? ''),
    application: portOf('--inbound', application ?? ''),
  };
}

function pairs(option: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      if (equals <= 0) throw new Error(`${option} ${text}: expected NAME=VALUE`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

function ports(option: string, texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(pairs(option, texts)).map(([name, port]) => [name, portOf(option, port)]),
  );
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`${option} ${text}: expected a port, 1 to 65535`);
  return port;
}
