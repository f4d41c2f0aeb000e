import { controlPlaneId, formatWorkloadId } from '@heddle/certs/spiffe-id';
import { CLUSTER_ID } from '@heddle/control-plane';

/** Where Istio's proxies get their certificates from. */
const SDS_CLUSTER = 'sds-grpc';

/** One port of the application: its own number, by which policies know it, and those that it was given here. */
export interface InboundPort {
  readonly name: string;
  readonly port: number;
  readonly listen: number;
  readonly application: number;
}

/** The ports of a proxy whose application is told where to connect (interception NONE). */
export interface ExplicitPlan {
  readonly bindAddress: string;
  readonly inbound: readonly InboundPort[];
  /** By `HOSTNAME:PORT`. */
  readonly outbound: Readonly<Record<string, number>>;
  /** 0: none. */
  readonly httpProxy: number;
  /** Where tunnels are taken, with `hbone`; absent: nowhere. */
  readonly hbone?: number;
  readonly gatewayPorts: Readonly<Record<string, number>>;
}

/** The pod of a proxy into which rules of the kernel lead what its application does (interception REDIRECT). */
export interface CapturedPlan {
  /** Its own, one of each family that it has; the first is who it is. */
  readonly addresses: readonly string[];
  /** Where the proxy connects from, by family: by that the rules know it. */
  readonly sourceAddresses: readonly string[];
  /** Where the application listens, for its ports. */
  readonly applicationAddress: string;
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  /** Who is asked for names that are not of the mesh: `tcp://10.0.0.2:53`. */
  readonly dnsServer: string;
}

/** How a heddle-proxy gets its certificate. */
export interface ProxyIdentityPlan {
  readonly trustDomain: string;
  readonly caAddress: string;
  readonly rootsFile: string;
  readonly tokenFile: string;
}

export interface ProxyBootstrapOptions {
  readonly role: 'sidecar' | 'router';
  readonly name: string;
  readonly namespace: string;
  readonly workloadName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** `REGION/ZONE/SUBZONE`. */
  readonly locality?: string | undefined;
  readonly adminPort: number;
  /** Not needed with an agent. */
  readonly xdsPort?: number;
  /** Default: loopback. */
  readonly xdsHost?: string;
  readonly accessLog: string;
  /** One of these two says how traffic gets into the proxy. */
  readonly explicit?: ExplicitPlan;
  readonly captured?: CapturedPlan;
  /** undefined: the proxy proves nothing, and `xdsPort` is plain text. With an identity it is TLS. */
  readonly identity?: ProxyIdentityPlan | undefined;
  /** Whether it reaches those who take tunnels by tunnels, and takes them itself. Default: no. */
  readonly hbone?: boolean;
  /** The Unix socket of an agent, which has the identity: it serves certificates and passes xDS on. */
  readonly agentSocket?: string;
  /** Which variant of the protocol is spoken. Default delta, which sends only what changed. */
  readonly variant?: 'sotw' | 'delta';
}

/**
 * An Envoy bootstrap for a proxy of the mesh: heddle-proxy and Envoy start from the same file.
 * Source: envoy.config.bootstrap.v3.Bootstrap, Istio's node id and metadata.
 */
export function proxyBootstrap(options: ProxyBootstrapOptions): unknown {
  const domain = `${options.namespace}.svc.cluster.local`;
  const { captured } = options;
  const ads = { ads: {}, resource_api_version: 'V3' };
  return {
    node: {
      id: `${options.role}~${captured?.addresses[0] ?? '127.0.0.1'}~${options.name}.${options.namespace}~${domain}`,
      cluster: `${options.workloadName}.${options.namespace}`,
      ...nodeLocality(options.locality),
      metadata: {
        NAME: options.name,
        NAMESPACE: options.namespace,
        WORKLOAD_NAME: options.workloadName,
        SERVICE_ACCOUNT: options.serviceAccount,
        LABELS: options.labels,
        CLUSTER_ID,
        ...(captured === undefined
          ? { INTERCEPTION_MODE: 'NONE', HEDDLE_EXPLICIT: options.explicit }
          : capturedMetadata(captured)),
        HEDDLE_ACCESS_LOG: options.accessLog,
        // heddled asks there what the proxy counts.
        HEDDLE_ADMIN: `127.0.0.1:${options.adminPort}`,
        ...(options.identity === undefined ? {} : identityMetadata(options.identity, options)),
        ...(options.agentSocket === undefined ? {} : { HEDDLE_MTLS: 'true' }),
        ...(options.hbone === true ? { ENABLE_HBONE: 'true' } : {}),
      },
    },
    ...(options.hbone === true ? { bootstrap_extensions: [internalListeners] } : {}),
    admin: { address: socketAddress(options.adminPort) },
    ...(captured === undefined
      ? {}
      : {
          cluster_manager: { upstream_bind_config: bindConfig(captured.sourceAddresses) },
        }),
    dynamic_resources: {
      ads_config: {
        api_type: options.variant === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'heddled' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: staticClusters(options),
    },
  };
}

/** Envoy has listeners inside the process only where this asks for them. */
const internalListeners = {
  name: 'envoy.bootstrap.internal_listener',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
  },
};

/** Source: envoy.config.core.v3.BindConfig. */
function bindConfig([first, ...others]: readonly string[]): object {
  const source = (address: string | undefined): object => ({ address, port_value: 0 });
  return {
    source_address: source(first),
    ...(others.length === 0
      ? {}
      : { extra_source_addresses: others.map((address) => ({ address: source(address) })) }),
  };
}

/** A node's locality, of `REGION/ZONE/SUBZONE`. */
export function nodeLocality(text: string | undefined): object {
  if (text === undefined) return {};
  const [region, zone, subZone] = text.split('/');
  return { locality: { region, zone, sub_zone: subZone } };
}

/** Source: Istio's node metadata; the fields that begin with HEDDLE are ours. */
function capturedMetadata(captured: CapturedPlan): Readonly<Record<string, unknown>> {
  return {
    INTERCEPTION_MODE: 'REDIRECT',
    INSTANCE_IPS: captured.addresses.join(),
    DNS_CAPTURE: 'true',
    HEDDLE_DNS_SERVERS: captured.dnsServer,
    // No name server outside knows the services of this mesh.
    HEDDLE_DNS_AUTHORITY: 'true',
    HEDDLE_CAPTURED: { applicationAddress: captured.applicationAddress, ports: captured.ports },
  };
}

function staticClusters({
  identity,
  agentSocket,
  xdsPort = 0,
  xdsHost,
}: ProxyBootstrapOptions): readonly unknown[] {
  if (agentSocket === undefined) {
    const socket = identity === undefined ? {} : { transport_socket: controlPlaneTls(identity.trustDomain) };
    return [{ ...grpcCluster('heddled', socketAddress(xdsPort, xdsHost)), ...socket }];
  }
  const pipe = { pipe: { path: agentSocket } };
  return [grpcCluster('heddled', pipe), grpcCluster(SDS_CLUSTER, pipe)];
}

function grpcCluster(name: string, address: unknown): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}

function identityMetadata(
  plan: ProxyIdentityPlan,
  { namespace, serviceAccount }: ProxyBootstrapOptions,
): Readonly<Record<string, string>> {
  const { trustDomain } = plan;
  return {
    HEDDLE_CA_ADDRESS: plan.caAddress,
    HEDDLE_CA_ROOT_FILE: plan.rootsFile,
    HEDDLE_CA_TOKEN_FILE: plan.tokenFile,
    HEDDLE_IDENTITY: formatWorkloadId({ trustDomain, namespace, serviceAccount }).uri,
  };
}

/**
 * TLS to heddled with the workload's own certificate. heddled is known by its SPIFFE ID.
 * Source: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext.
 */
function controlPlaneTls(trustDomain: string): unknown {
  const sds = (name: string): unknown => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: SDS_CLUSTER } }],
      },
    },
  });
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'heddled',
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_certificate_sds_secret_configs: [sds('default')],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [
              { san_type: 'URI', matcher: { exact: controlPlaneId(trustDomain).uri } },
            ],
          },
          validation_context_sds_secret_config: sds('ROOTCA'),
        },
      },
    },
  };
}

function socketAddress(port: number, address = '127.0.0.1'): unknown {
  return { socket_address: { address, port_value: port } };
}
