import { envoy, packAny, type google } from '@heddle/xds-protos';
import type { MeshModel } from '../model/mesh-model.js';
import { cidrOf, LOCAL_PRINCIPAL, PEER_PRINCIPAL } from './authorization-matchers.js';
import { thresholdsOf } from './cluster-limits.js';
import { tunnelClientSocket, tunnelServerSocket } from './mesh-tls.js';
import { duration, socketAddress } from './proto-values.js';
import type { ProxyView, TunnelPlace } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { defaultConnectTimeoutMs, httpOptionsName } from './translate-cluster.js';
import { originalDestination, routerFilter } from './translate-listener.js';
import { CONNECT_ORIGINATE, internalUpstream, ORIGINAL_DESTINATION, TUNNEL_KEY } from './tunnel-endpoints.js';

type Cluster = envoy.config.cluster.v3.ICluster;
type FilterChain = envoy.config.listener.v3.IFilterChain;
type Listener = envoy.config.listener.v3.IListener;

const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3;
const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3;
const { ONCE } = envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue.SharedWithUpstream;

/** Where tunnels end, and what takes the connections that they carry. Source: Istio. */
const CONNECT_TERMINATE = 'connect_terminate';
export const MAIN_INTERNAL = 'main_internal';

/** Source: Istio's hbone_idle_timeout. */
const IDLE_TIMEOUT_MS = 3_600_000;
/** Source: Istio: a peer that is gone is noticed. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 20_000;
const MOST_STREAMS = 100;

/**
 * What a proxy with HBONE has beside the rest: a listener inside it that leads connections into tunnels, and one that takes tunnels
 * in, whose connections go by `chains`, the very chains of the application's ports. Without any it takes none.
 */
export function addTunnels(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  chains: readonly FilterChain[] = [],
): void {
  const { tunnels } = view;
  if (tunnels === undefined) return;
  const { trustDomain } = model.settings;
  set.addListener(originatingListener);
  set.addCluster(originatingCluster(trustDomain));
  if (tunnels.port === 0 || chains.length === 0) return;
  set.addListener(terminatingListener(view, tunnels, trustDomain));
  set.addCluster(internalCluster);
  set.addListener({
    name: MAIN_INTERNAL,
    internalListener: {},
    trafficDirection: envoy.config.core.v3.TrafficDirection.INBOUND,
    filterChains: [...chains],
    listenerFilters: [originalDestination],
  });
}

/** The chain of connections through tunnels to a port of the workload itself, and to nobody else's; without a port to any of them. */
export function tunnelledChain(
  chain: FilterChain,
  { addresses }: TunnelPlace,
  port: number | undefined,
): FilterChain {
  return {
    ...chain,
    filterChainMatch: {
      ...(port === undefined ? {} : { destinationPort: { value: port } }),
      prefixRanges: addresses.map(cidrOf),
    },
  };
}

const originatingListener: Listener = {
  name: CONNECT_ORIGINATE,
  internalListener: {},
  listenerFilters: [originalDestination],
  filterChains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.tcp_proxy',
          typedConfig: packAny(TcpProxy, {
            statPrefix: CONNECT_ORIGINATE,
            cluster: CONNECT_ORIGINATE,
            tunnelingConfig: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS%' },
          }),
        },
      ],
    },
  ],
};

/** Each endpoint says where its tunnel ends. Source: Istio's buildConnectOriginate. */
function originatingCluster(trustDomain: string): Cluster {
  return {
    name: CONNECT_ORIGINATE,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.ORIGINAL_DST,
    lbPolicy: envoy.config.cluster.v3.Cluster.LbPolicy.CLUSTER_PROVIDED,
    originalDstLbConfig: { metadataKey: { key: ORIGINAL_DESTINATION, path: [{ key: TUNNEL_KEY }] } },
    connectTimeout: duration(defaultConnectTimeoutMs),
    circuitBreakers: { thresholds: [thresholdsOf({}, undefined)] },
    typedExtensionProtocolOptions: {
      [httpOptionsName]: packAny(envoy.extensions.upstreams.http.v3.HttpProtocolOptions, {
        commonHttpProtocolOptions: { idleTimeout: duration(IDLE_TIMEOUT_MS) },
        explicitHttpConfig: { http2ProtocolOptions: { allowConnect: true } },
      }),
    },
    transportSocket: tunnelClientSocket(trustDomain),
  };
}

const internalCluster: Cluster = {
  name: MAIN_INTERNAL,
  type: envoy.config.cluster.v3.Cluster.DiscoveryType.STATIC,
  connectTimeout: duration(defaultConnectTimeoutMs),
  circuitBreakers: { thresholds: [thresholdsOf({}, undefined)] },
  transportSocket: internalUpstream([]),
  loadAssignment: {
    clusterName: MAIN_INTERNAL,
    endpoints: [
      {
        lbEndpoints: [
          { endpoint: { address: { envoyInternalAddress: { serverListenerName: MAIN_INTERNAL } } } },
        ],
      },
    ],
  },
};

/** Source: Istio's buildConnectTerminateListener. */
function terminatingListener(
  { explicit, captured }: ProxyView,
  { port }: TunnelPlace,
  trustDomain: string,
): Listener {
  const dualStack = captured?.ipv6 === true;
  return {
    name: CONNECT_TERMINATE,
    address: socketAddress(explicit?.bindAddress ?? '0.0.0.0', port),
    ...(dualStack ? { additionalAddresses: [{ address: socketAddress('::', port) }] } : {}),
    filterChains: [
      {
        name: 'default',
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: terminatingManager }],
        transportSocket: tunnelServerSocket(trustDomain),
      },
    ],
  };
}

/** What the connection inside is told of the one that the tunnel came by. Source: Istio's ConnectAuthorityFilter. */
const toldInside: Readonly<Record<string, string>> = {
  [`${ORIGINAL_DESTINATION}.local_ip`]: '%REQ(:AUTHORITY)%',
  // Not what x-forwarded-for would make of it: whoever opens the tunnel may write that.
  [`${ORIGINAL_DESTINATION}.remote_ip`]: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
  [PEER_PRINCIPAL]: '%DOWNSTREAM_PEER_URI_SAN%',
  [LOCAL_PRINCIPAL]: '%DOWNSTREAM_LOCAL_URI_SAN%',
};

const tellInside: google.protobuf.IAny = packAny(envoy.extensions.filters.http.set_filter_state.v3.Config, {
  onRequestHeaders: Object.entries(toldInside).map(([objectKey, inlineString]) => ({
    objectKey,
    ...(objectKey.startsWith(ORIGINAL_DESTINATION) ? {} : { factoryKey: 'envoy.string' }),
    formatString: { textFormatSource: { inlineString } },
    sharedWithUpstream: ONCE,
  })),
});

const terminatingManager: google.protobuf.IAny = packAny(HttpConnectionManager, {
  statPrefix: CONNECT_TERMINATE,
  routeConfig: {
    name: 'default',
    virtualHosts: [
      {
        name: 'default',
        domains: ['*'],
        routes: [
          {
            match: { connectMatcher: {} },
            route: {
              cluster: MAIN_INTERNAL,
              upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }],
            },
          },
        ],
      },
    ],
  },
  httpFilters: [{ name: 'connect_authority', typedConfig: tellInside }, routerFilter],
  upgradeConfigs: [{ upgradeType: 'CONNECT' }],
  http2ProtocolOptions: {
    allowConnect: true,
    maxConcurrentStreams: { value: MOST_STREAMS },
    connectionKeepalive: { interval: duration(PING_INTERVAL_MS), timeout: duration(PING_TIMEOUT_MS) },
  },
  useRemoteAddress: { value: false },
  generateRequestId: { value: false },
  streamIdleTimeout: duration(0),
});
