import { type InjectorConfig } from './injector-config.js';
import { ROOT_CERTIFICATE_FILE, SIDECAR_PORTS } from './sidecar-names.js';
import { type WorkloadOwner } from './workload-owner.js';

export interface SidecarBootstrapOptions {
  readonly owner: WorkloadOwner;
  readonly labels: Readonly<Record<string, string>>;
  readonly interceptionMode: InjectorConfig['interceptionMode'];
  readonly appContainers: readonly string[];
}

/**
 * The sidecar's Envoy bootstrap, as JSON for an environment variable. `$(NAME)` stands for what is known only when the
 * pod runs; Kubernetes puts in the variables that come before this one.
 *
 * Source: envoy.config.bootstrap.v3.Bootstrap, Istio's node id and metadata.
 */
export function sidecarBootstrap(options: SidecarBootstrapOptions, config: InjectorConfig): string {
  const domain = `$(POD_NAMESPACE).svc.${config.clusterDomain}`;
  const ads = { ads: {}, resource_api_version: 'V3' };
  return JSON.stringify({
    node: {
      id: `sidecar~$(INSTANCE_IP)~$(POD_NAME).$(POD_NAMESPACE)~${domain}`,
      cluster: `${literalText(options.owner.name)}.$(POD_NAMESPACE)`,
      metadata: {
        NAME: '$(POD_NAME)',
        NAMESPACE: '$(POD_NAMESPACE)',
        INSTANCE_IPS: '$(INSTANCE_IPS)',
        SERVICE_ACCOUNT: '$(SERVICE_ACCOUNT)',
        WORKLOAD_NAME: literalText(options.owner.name),
        OWNER: ownerPath(options.owner),
        LABELS: Object.fromEntries(
          Object.entries(options.labels).map(([name, value]) => [literalText(name), literalText(value)]),
        ),
        INTERCEPTION_MODE: options.interceptionMode,
        APP_CONTAINERS: literalText(options.appContainers.join(',')),
        CLUSTER_ID: literalText(config.clusterName),
        MESH_ID: literalText(config.meshId),
        ...(config.network === '' ? {} : { NETWORK: literalText(config.network) }),
      },
    },
    admin: { address: socketAddress('127.0.0.1', SIDECAR_PORTS.admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'heddled' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: { clusters: [controlPlaneCluster(config)] },
  });
}

/** Where a workload is in the API: `kubernetes://apis/apps/v1/namespaces/shop/deployments/cart`. */
export function ownerPath({ apiVersion, kind, name }: WorkloadOwner): string {
  const plural = `${kind.toLowerCase()}s`;
  return `kubernetes://apis/${literalText(apiVersion)}/namespaces/$(POD_NAMESPACE)/${literalText(`${plural}/${name}`)}`;
}

/** Kubernetes replaces `$(NAME)` in environment variables and arguments; text that is not ours is kept from that. */
export function literalText(text: string): string {
  return text.replaceAll('$', () => '$$');
}

function controlPlaneCluster({ controlPlane }: InjectorConfig): unknown {
  const { host, port, tls } = controlPlane;
  const tlsContext = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    sni: host,
    common_tls_context: {
      alpn_protocols: ['h2'],
      validation_context: {
        trusted_ca: { filename: ROOT_CERTIFICATE_FILE },
        match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: host } }],
      },
    },
  };
  return {
    name: 'heddled',
    type: 'STRICT_DNS',
    connect_timeout: '5s',
    ...(tls ? { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tlsContext } } : {}),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'heddled',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, port) } }] }],
    },
  };
}

function socketAddress(address: string, port: number): unknown {
  return { socket_address: { address, port_value: port } };
}
