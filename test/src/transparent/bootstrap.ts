import { APPLICATION_PORTS } from './applications.js';

const type = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;

/** How inbound connections reach the sidecar. */
export type InterceptionMode = 'REDIRECT' | 'TPROXY';

function address(host: string, port: number): object {
  return { socket_address: { address: host, port_value: port } };
}

function both(port: number): object {
  return { address: address('0.0.0.0', port), additional_addresses: [{ address: address('::', port) }] };
}

function tcp(cluster: string): object {
  return {
    filters: [
      {
        name: 'tcp',
        typed_config: {
          '@type': type('filters.network.tcp_proxy.v3.TcpProxy'),
          stat_prefix: cluster,
          cluster,
        },
      },
    ],
  };
}

/** Requests and upgrades of every host, to wherever their connection was going. */
function http(cluster: string): object {
  const route = { match: { prefix: '/' }, route: { cluster, timeout: '0s' } };
  return {
    filters: [
      {
        name: 'http',
        typed_config: {
          '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
          stat_prefix: cluster,
          upgrade_configs: [{ upgrade_type: 'websocket' }],
          http_filters: [
            { name: 'router', typed_config: { '@type': type('filters.http.router.v3.Router') } },
          ],
          route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
        },
      },
    ],
  };
}

const toPort = (chain: object, port: number): object => ({
  ...chain,
  name: `port ${port}`,
  filter_chain_match: { destination_port: port },
});

const httpPorts = [APPLICATION_PORTS.http, APPLICATION_PORTS.webSocket, APPLICATION_PORTS.grpc];

function goingOn(name: string): object {
  return {
    name,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '2s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': type('upstreams.http.v3.HttpProtocolOptions'),
        use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
      },
    },
  };
}

/** The sidecar of either pod, with listeners as Istio's have them. DNS that it does not know is asked of `dnsServer`. */
export function sidecarBootstrap(mode: InterceptionMode, dnsServer: string): unknown {
  const originalDestination = {
    name: 'original',
    typed_config: { '@type': type('filters.listener.original_dst.v3.OriginalDst') },
  };
  const originalSource = {
    name: 'source',
    typed_config: { '@type': type('filters.listener.original_src.v3.OriginalSrc'), mark: 1337 },
  };
  return {
    node: {
      id: 'pod',
      cluster: 'pod',
      metadata: { INTERCEPTION_MODE: mode, DNS_CAPTURE: 'true', HEDDLE_DNS_SERVERS: dnsServer },
    },
    admin: { address: address('127.0.0.1', 15_000) },
    static_resources: {
      listeners: [
        {
          name: 'virtualOutbound',
          ...both(15_001),
          use_original_dst: true,
          filter_chains: [toPort(tcp('nowhere'), 15_001), tcp('passthrough')],
        },
        ...httpPorts.map((port) => ({
          name: `outbound ${port}`,
          ...both(port),
          bind_to_port: false,
          traffic_direction: 'OUTBOUND',
          filter_chains: [http('passthrough')],
        })),
        {
          name: 'virtualInbound',
          ...both(15_006),
          traffic_direction: 'INBOUND',
          transparent: mode === 'TPROXY',
          listener_filters: mode === 'TPROXY' ? [originalDestination, originalSource] : [originalDestination],
          filter_chains: [
            toPort(tcp('nowhere'), 15_006),
            ...httpPorts.map((port) => toPort(http('application'), port)),
            tcp('application'),
          ],
        },
      ],
      clusters: [
        { name: 'nowhere', type: 'STATIC', load_assignment: { cluster_name: 'nowhere' } },
        goingOn('passthrough'),
        {
          ...goingOn('application'),
          upstream_bind_config: {
            source_address: { address: '127.0.0.6', port_value: 0 },
            extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
          },
        },
      ],
    },
  };
}
