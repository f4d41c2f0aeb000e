import { CLUSTER_ID } from '@heddle/control-plane';

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
  readonly gatewayPorts: Readonly<Record<string, number>>;
}

export interface ProxyBootstrapOptions {
  readonly role: 'sidecar' | 'router';
  readonly name: string;
  readonly namespace: string;
  readonly workloadName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly adminPort: number;
  readonly xdsPort: number;
  readonly accessLog: string;
  readonly explicit: ExplicitPlan;
  /** Which variant of the protocol is spoken. Default delta, which sends only what changed. */
  readonly variant?: 'sotw' | 'delta';
}

/**
 * An Envoy bootstrap for a proxy of the mesh: heddle-proxy and Envoy start from the same file.
 * Source: envoy.config.bootstrap.v3.Bootstrap, Istio's node id and metadata.
 */
export function proxyBootstrap(options: ProxyBootstrapOptions): unknown {
  const domain = `${options.namespace}.svc.cluster.local`;
  const ads = { ads: {}, resource_api_version: 'V3' };
  return {
    node: {
      id: `${options.role}~127.0.0.1~${options.name}.${options.namespace}~${domain}`,
      cluster: `${options.workloadName}.${options.namespace}`,
      metadata: {
        NAME: options.name,
        NAMESPACE: options.namespace,
        WORKLOAD_NAME: options.workloadName,
        SERVICE_ACCOUNT: options.serviceAccount,
        LABELS: options.labels,
        CLUSTER_ID,
        INTERCEPTION_MODE: 'NONE',
        HEDDLE_EXPLICIT: options.explicit,
        HEDDLE_ACCESS_LOG: options.accessLog,
      },
    },
    admin: { address: socketAddress(options.adminPort) },
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
      clusters: [
        {
          name: 'heddled',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'heddled',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(options.xdsPort) } }] }],
          },
        },
      ],
    },
  };
}

function socketAddress(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
