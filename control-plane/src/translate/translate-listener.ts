import { envoy, packAny, resourceNames, type google } from '@heddle/xds-protos';
import { PEER_PRINCIPAL } from './authorization-matchers.js';
import { adsSource, duration, socketAddress, structOf } from './proto-values.js';
import type { ChainSettings, ListenerSide } from './translate-telemetry.js';
import { corsFilterName, faultFilterName } from './translate-route.js';

type FilterChain = envoy.config.listener.v3.IFilterChain;
type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type Listener = envoy.config.listener.v3.IListener;
type TrafficDirection = envoy.config.core.v3.TrafficDirection;

const { INBOUND, OUTBOUND } = envoy.config.core.v3.TrafficDirection;
const hcm = envoy.extensions.filters.network.http_connection_manager.v3;

/** How connections to one port are told apart; the first chain that matches serves. */
export interface ListenerParts {
  readonly filterChains: readonly FilterChain[];
  readonly listenerFilters?: readonly envoy.config.listener.v3.IListenerFilter[];
}

/** What a chain for TCP may have beside its clusters. */
export interface TcpChainOptions {
  readonly guards?: readonly envoy.config.listener.v3.IFilter[];
  readonly idleTimeoutMs?: number | undefined;
}

/** What a chain for HTTP may have beside its routes. */
export interface HttpChainOptions {
  /** Filters that may refuse a request, in order. */
  readonly guards?: readonly HttpFilter[];
  /** Those that may refuse a connection. */
  readonly connectionGuards?: readonly envoy.config.listener.v3.IFilter[];
  /** Whether clients by gRPC-Web are served. */
  readonly takesGrpcWeb?: boolean;
}

/** A listener on a port. */
export function listenerOf(
  side: ListenerSide,
  address: string,
  port: number,
  { filterChains, listenerFilters = [] }: ListenerParts,
): Listener {
  return {
    name: resourceNames.listenerName({ address, port }),
    address: socketAddress(address, port),
    trafficDirection: directionOf(side),
    filterChains: [...filterChains],
    ...(listenerFilters.length === 0 ? {} : { listenerFilters: [...listenerFilters] }),
  };
}

/** Connections whose requests are seen; their routes come by name. */
export function httpChain(
  settings: ChainSettings,
  statPrefix: string,
  routeConfigurationName: string,
  options: HttpChainOptions = {},
): FilterChain {
  return {
    filters: [
      ...(options.connectionGuards ?? []),
      {
        name: 'envoy.filters.network.http_connection_manager',
        typedConfig: connectionManager(settings, statPrefix, routeConfigurationName, options),
      },
    ],
  };
}

/**
 * Connections whose bytes are passed on, to clusters by weight. `guards` are filters that may refuse one, in order;
 * `idleTimeoutMs` undefined leaves it to the proxy.
 */
export function tcpChain(
  settings: ChainSettings,
  statPrefix: string,
  clusters: readonly { readonly name: string; readonly weight: number }[],
  { guards = [], idleTimeoutMs }: TcpChainOptions = {},
): FilterChain {
  const [only] = clusters;
  const target =
    only !== undefined && clusters.length === 1
      ? { cluster: only.name }
      : { weightedClusters: { clusters: clusters.map(({ name, weight }) => ({ name, weight })) } };
  return {
    filters: [
      ...guards,
      ...settings.tcpFilters,
      {
        name: 'envoy.filters.network.tcp_proxy',
        typedConfig: packAny(envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, {
          statPrefix,
          ...target,
          ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
          accessLog: accessLogsOf(settings, tcpLogFields),
        }),
      },
    ],
  };
}

/** Where a connection was going before it was led here. */
export const originalDestination: envoy.config.listener.v3.IListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typedConfig: packAny(envoy.extensions.filters.listener.original_dst.v3.OriginalDst, {}),
};

/** Tells TLS from plain text by the first bytes, and reads the server name and the protocols that are offered. */
export const tlsInspector: envoy.config.listener.v3.IListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typedConfig: packAny(envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, {}),
};

function directionOf(side: ListenerSide): TrafficDirection {
  return side === 'inbound' ? INBOUND : OUTBOUND;
}

/** Source: the settings of Istio's sidecars and gateways. */
function connectionManager(
  settings: ChainSettings,
  statPrefix: string,
  routeConfigName: string,
  { guards = [], takesGrpcWeb = false }: HttpChainOptions,
): google.protobuf.IAny {
  const { view, side } = settings;
  const atEdge = side === 'gateway';
  return packAny(hcm.HttpConnectionManager, {
    statPrefix,
    rds: { configSource: adsSource, routeConfigName },
    httpFilters: [
      ...settings.firstFilters,
      ...guards,
      ...(takesGrpcWeb ? [grpcWebFilter] : []),
      ...(side === 'inbound' ? [] : ruleFilters),
      ...settings.lastFilters,
      routerFilter,
    ],
    accessLog: accessLogsOf(settings, httpLogFields),
    ...(view.mtls && side === 'inbound' ? certificatesOfCallers : {}),
    ...(atEdge ? certificatesOfClients : {}),
    useRemoteAddress: { value: atEdge },
    generateRequestId: { value: true },
    normalizePath: { value: true },
    serverHeaderTransformation: hcm.HttpConnectionManager.ServerHeaderTransformation.PASS_THROUGH,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    // A quiet stream is not a broken one: timeouts are the routes' business.
    streamIdleTimeout: duration(0),
  });
}

type ConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.IHttpConnectionManager;

/** Source: Istio's sidecars; a caller without a certificate has its header removed. */
const certificatesOfCallers: ConnectionManager = {
  forwardClientCertDetails: hcm.HttpConnectionManager.ForwardClientCertDetails.APPEND_FORWARD,
  setCurrentClientCertDetails: { subject: { value: true }, dns: true, uri: true },
};

/** Source: Istio's gateways; what clients say of themselves is never passed on. */
const certificatesOfClients: ConnectionManager = {
  forwardClientCertDetails: hcm.HttpConnectionManager.ForwardClientCertDetails.SANITIZE_SET,
  setCurrentClientCertDetails: { subject: { value: true }, cert: true, dns: true, uri: true },
};

export const routerFilter: HttpFilter = {
  name: 'envoy.filters.http.router',
  typedConfig: packAny(envoy.extensions.filters.http.router.v3.Router, {}),
};

const grpcWebFilter: HttpFilter = {
  name: 'envoy.filters.http.grpc_web',
  typedConfig: packAny(envoy.extensions.filters.http.grpc_web.v3.GrpcWeb, {}),
};

/** Idle until a route configures them; a proxy without them serves all the same. */
const ruleFilters: readonly HttpFilter[] = [
  {
    name: corsFilterName,
    typedConfig: packAny(envoy.extensions.filters.http.cors.v3.Cors, {}),
    isOptional: true,
  },
  {
    name: faultFilterName,
    typedConfig: packAny(envoy.extensions.filters.http.fault.v3.HTTPFault, {}),
    isOptional: true,
  },
];

const tcpLogFields: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  response_flags: '%RESPONSE_FLAGS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  downstream_peer_uri_san: '%DOWNSTREAM_PEER_URI_SAN%',
  downstream_tls_version: '%DOWNSTREAM_TLS_VERSION%',
  upstream_peer_uri_san: '%UPSTREAM_PEER_URI_SAN%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** Who calls is known from outside the tunnel. */
const tunnelledLogFields: Readonly<Record<string, string>> = {
  downstream_peer_uri_san: `%FILTER_STATE(${PEER_PRINCIPAL}:PLAIN)%`,
};

const httpLogFields: Readonly<Record<string, string>> = {
  ...tcpLogFields,
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  route_name: '%ROUTE_NAME%',
};

function accessLogsOf(
  { view, logs, isTunnelled = false }: ChainSettings,
  fields: Readonly<Record<string, string>>,
): envoy.config.accesslog.v3.IAccessLog[] {
  if (!logs || view.accessLogPath === 'none') return [];
  const told = isTunnelled ? { ...fields, ...tunnelledLogFields } : fields;
  const logFormat = { jsonFormat: structOf(told), jsonFormatOptions: { sortProperties: true } };
  // Opened as a file it fails where standard output is a socket, as under a launcher.
  if (view.accessLogPath === '/dev/stdout') {
    const typedConfig = packAny(envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, { logFormat });
    return [{ name: 'envoy.access_loggers.stdout', typedConfig }];
  }
  const { FileAccessLog } = envoy.extensions.access_loggers.file.v3;
  const typedConfig = packAny(FileAccessLog, { path: view.accessLogPath, logFormat });
  return [{ name: 'envoy.access_loggers.file', typedConfig }];
}
