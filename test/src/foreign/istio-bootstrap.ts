/** One workload, as Istio's agent tells istiod of it. */
export interface IstioSidecar {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Of its pod. */
  readonly address: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Where a server of gRPC is. */
export type GrpcServer =
  | { readonly pipe: string }
  | { readonly port: number }
  /** By TLS, with the certificate of the workload. */
  | { readonly securePort: number };

export interface IstioBootstrapOptions {
  readonly sidecar: IstioSidecar;
  readonly interception: 'REDIRECT' | 'NONE';
  readonly variant: 'sotw' | 'delta';
  readonly ports: { readonly admin: number; readonly prometheus: number; readonly status: number };
  readonly xds: GrpcServer;
  readonly sds: GrpcServer;
}

const TYPE = 'type.googleapis.com';

/** The parts that Istio's agent puts into the bootstrap of a sidecar, in its form. */
export function istioBootstrap(options: IstioBootstrapOptions): object {
  const { ports, variant } = options;
  const at = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const cluster = (name: string, address: object, http2 = true, transportSocket?: object): object => ({
    name,
    ...(transportSocket === undefined ? {} : { transport_socket: transportSocket }),
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...(http2
      ? {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }
      : {}),
  });
  const manager = {
    '@type': `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    codec_type: 'AUTO',
    stat_prefix: 'stats',
    route_config: {
      virtual_hosts: [
        {
          name: 'backend',
          domains: ['*'],
          routes: [{ match: { prefix: '/stats/prometheus' }, route: { cluster: 'prometheus_stats' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.compressor',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.filters.http.compressor.v3.Compressor`,
          compressor_library: {
            name: 'for_response',
            typed_config: {
              '@type': `${TYPE}/envoy.extensions.compression.brotli.compressor.v3.Brotli`,
              quality: 1,
            },
          },
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPE}/envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
  };
  return {
    application_log_config: { log_format: { text_format: '%v' } },
    node: istioNode(options),
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: { 're2.max_program_size.error_level': '32768' } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.bootstrap.internal_listener.v3.InternalListener`,
        },
      },
    ],
    stats_config: {
      use_all_default_tags: false,
      stats_tags: [
        { tag_name: 'cluster_name', regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' },
      ],
      stats_matcher: { inclusion_list: { patterns: [{ prefix: 'reporter=' }] } },
    },
    admin: { address: at(ports.admin) },
    dynamic_resources: {
      lds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      cds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      ads_config: {
        api_type: variant === 'delta' ? 'DELTA_GRPC' : 'GRPC',
        set_node_on_first_message_only: true,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: {
      clusters: [
        cluster('prometheus_stats', at(ports.admin), false),
        cluster('agent', at(15_020), false),
        cluster('sds-grpc', addressOf(options.sds)),
        cluster('xds-grpc', addressOf(options.xds), true, securityOf(options.xds)),
        cluster('zipkin', at(9411), false),
      ],
      listeners: [
        {
          address: { socket_address: { protocol: 'TCP', address: '0.0.0.0', port_value: ports.prometheus } },
          ignore_global_conn_limit: true,
          filter_chains: [
            { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
          ],
        },
      ],
    },
    tracing: {
      http: {
        name: 'envoy.tracers.zipkin',
        typed_config: {
          '@type': `${TYPE}/envoy.config.trace.v3.ZipkinConfig`,
          collector_cluster: 'zipkin',
          collector_endpoint: '/api/v2/spans',
        },
      },
    },
    cluster_manager: { outlier_detection: { event_log_path: '/dev/stdout' } },
  };
}

/** What istiod knows of a proxy before it has asked for anything. */
export function istioNode({ sidecar, interception, ports }: IstioBootstrapOptions): object {
  const { name, namespace, serviceAccount, address, labels = {} } = sidecar;
  const workload = name.replace(/-[^-]*$/, '');
  return {
    id: `sidecar~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: `${workload}.${namespace}`,
    locality: {},
    metadata: {
      ANNOTATIONS: { 'sidecar.istio.io/status': '{}' },
      APP_CONTAINERS: workload,
      CLUSTER_ID: 'Kubernetes',
      ENVOY_PROMETHEUS_PORT: ports.prometheus,
      ENVOY_STATUS_PORT: ports.status,
      INSTANCE_IPS: address,
      INTERCEPTION_MODE: interception,
      ISTIO_PROXY_SHA: 'istio-proxy:1',
      ISTIO_VERSION: '1.31.0',
      LABELS: { 'service.istio.io/canonical-name': workload, ...labels },
      MESH_ID: 'cluster.local',
      NAME: name,
      NAMESPACE: namespace,
      NODE_NAME: 'node1',
      OWNER: `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${workload}`,
      PILOT_SAN: ['istiod.istio-system.svc'],
      PROXY_CONFIG: { discoveryAddress: 'istiod.istio-system.svc:15012', proxyAdminPort: ports.admin },
      SERVICE_ACCOUNT: serviceAccount,
      WORKLOAD_NAME: workload,
    },
  };
}

function addressOf(server: GrpcServer): object {
  if ('pipe' in server) return { pipe: { path: server.pipe } };
  const port = 'port' in server ? server.port : server.securePort;
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function securityOf(server: GrpcServer): object | undefined {
  if (!('securePort' in server)) return undefined;
  const secret = (name: string): object => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
    },
  });
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: 'istiod.istio-system.svc',
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_certificate_sds_secret_configs: [secret('default')],
        validation_context_sds_secret_config: secret('ROOTCA'),
      },
    },
  };
}
