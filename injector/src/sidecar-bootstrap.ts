import { type InjectorConfig } from './injector-config.js';
import { ROOT_CERTIFICATE_FILE, SIDECAR_PORTS, TOKEN_FILE } from './sidecar-names.js';
import { type WorkloadOwner } from './workload-owner.js';

export interface SidecarBootstrapOptions {
  readonly owner: WorkloadOwner;
  readonly labels: Readonly<Record<string, string>>;
  readonly interceptionMode: InjectorConfig['interceptionMode'];
  readonly dnsCapture: boolean;
  readonly hbone: boolean;
  readonly appContainers: readonly string[];
}

/**
 * The sidecar's Envoy bootstrap, as JSON for an environment variable. `$(NAME)` stands for what is known only when the
 * pod runs; Kubernetes puts in the variables that come before this one.
 *
 * Source: envoy.config.bootstrap.v3.Bootstrap, Istio's node id and metadata; the fields that begin with HEDDLE are
 * heddle-proxy's, from which it has its identity.
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
        ...(options.dnsCapture && options.interceptionMode !== 'NONE' ? { DNS_CAPTURE: 'true' } : {}),
        ...(options.hbone ? { ENABLE_HBONE: 'true' } : {}),
        APP_CONTAINERS: literalText(options.appContainers.join(',')),
        CLUSTER_ID: literalText(config.clusterName),
        MESH_ID: literalText(config.meshId),
        ...(config.network === '' ? {} : { NETWORK: literalText(config.network) }),
        ...identityMetadata(config),
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

/** Where the proxy gets its certificate, what it proves itself by, and whose it is. */
function identityMetadata({ controlPlane, trustDomain }: InjectorConfig): Readonly<Record<string, string>> {
  if (!controlPlane.tls) return {};
  return {
    HEDDLE_CA_ADDRESS: `${controlPlane.host}:${controlPlane.port}`,
    HEDDLE_CA_ROOT_FILE: ROOT_CERTIFICATE_FILE,
    HEDDLE_CA_TOKEN_FILE: TOKEN_FILE,
    HEDDLE_IDENTITY: `spiffe://${trustDomain}/ns/$(POD_NAMESPACE)/sa/$(SERVICE_ACCOUNT)`,
  };
}

/**
 * TLS to heddled with the workload's own certificate.
 * Source: envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext; the secrets' names are Istio's.
 */
function controlPlaneTls({ controlPlane }: InjectorConfig): unknown {
  const secret = (name: string): unknown => ({
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
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: controlPlane.host,
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_certificate_sds_secret_configs: [secret('default')],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: controlPlane.host } }],
          },
          validation_context_sds_secret_config: secret('ROOTCA'),
        },
      },
    },
  };
}

function controlPlaneCluster(config: InjectorConfig): unknown {
  const { host, port, tls } = config.controlPlane;
  return {
    name: 'heddled',
    type: 'STRICT_DNS',
    connect_timeout: '5s',
    ...(tls ? { transport_socket: controlPlaneTls(config) } : {}),
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
