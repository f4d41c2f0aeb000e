import { typeUrls } from '@heddle/xds-protos';
import type { JsonResources } from './go-control-plane.js';

/** What a snapshot of the shop differs in. */
export interface ShopOptions {
  readonly upstreamPort: number;
  /** Said by every answer, in a header that the routes set. */
  readonly generation: string;
  /** The status that a fetched filter answers `/fault` with. */
  readonly faultStatus: number;
  /** The share of requests for `/runtime` that are answered with 503. */
  readonly closedPercent: number;
  /** Of the listener with TLS, PEM. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** Where listeners and clusters say that the rest comes from: the aggregated stream, or a server in a cluster of this name. */
  readonly source: 'ads' | { readonly cluster: string; readonly delta: boolean };
}

const TYPE = 'type.googleapis.com';
const FAULT = `${TYPE}/envoy.extensions.filters.http.fault.v3.HTTPFault`;

/** Three listeners, one with TLS and one with scopes of routes, over one cluster: every type that go-control-plane serves. */
export function shopResources(options: ShopOptions): JsonResources {
  const { upstreamPort, generation, faultStatus, closedPercent, certificate } = options;
  const source = sourceOf(options.source);
  const manager = {
    '@type': `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'shop',
    rds: { route_config_name: 'shop', config_source: source },
    http_filters: [
      { name: 'fetched-fault', config_discovery: { config_source: source, type_urls: [FAULT] } },
      { name: 'router', typed_config: { '@type': `${TYPE}/envoy.extensions.filters.http.router.v3.Router` } },
    ],
  };
  const filters = [{ name: 'http', typed_config: manager }];
  const { rds: _, ...unrouted } = manager;
  const scoped = {
    ...unrouted,
    scoped_routes: {
      name: 'regions',
      scope_key_builder: { fragments: [{ header_value_extractor: { name: 'x-region', index: 0 } }] },
      rds_config_source: source,
      scoped_rds: { scoped_rds_config_source: source },
    },
  };
  const scope = (name: string, routes: string): object => ({
    name,
    route_configuration_name: routes,
    key: { fragments: [{ string_key: name }] },
  });
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const tls = {
    '@type': `${TYPE}/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: {
      tls_certificate_sds_secret_configs: [{ name: 'shop-certificate', sds_config: source }],
    },
  };
  return {
    [typeUrls.cluster]: [
      {
        name: 'shop',
        type: 'EDS',
        connect_timeout: '5s',
        eds_cluster_config: { eds_config: source, service_name: 'shop-endpoints' },
      },
    ],
    [typeUrls.clusterLoadAssignment]: [
      {
        cluster_name: 'shop-endpoints',
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: {
                  address: { socket_address: { address: '127.0.0.1', port_value: upstreamPort } },
                },
              },
            ],
          },
        ],
      },
    ],
    [typeUrls.listener]: [
      { name: 'plain', address, filter_chains: [{ filters }] },
      {
        name: 'scoped',
        address,
        filter_chains: [{ filters: [{ name: 'http', typed_config: scoped }] }],
      },
      {
        name: 'secure',
        address,
        filter_chains: [
          { filters, transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls } },
        ],
      },
    ],
    [typeUrls.routeConfiguration]: [
      {
        name: 'shop',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            response_headers_to_add: [{ header: { key: 'x-generation', value: generation } }],
            routes: [
              {
                match: {
                  path: '/runtime',
                  runtime_fraction: { default_value: { numerator: 0 }, runtime_key: 'shop.closed' },
                },
                direct_response: { status: 503 },
              },
              { match: { prefix: '/' }, route: { cluster: 'shop' } },
            ],
          },
        ],
      },
      {
        name: 'closed',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, direct_response: { status: 451 } }],
          },
        ],
      },
    ],
    [typeUrls.scopedRouteConfiguration]: [scope('eu', 'shop'), scope('us', 'closed')],
    [typeUrls.secret]: [
      {
        name: 'shop-certificate',
        tls_certificate: {
          certificate_chain: { inline_string: certificate.chain },
          private_key: { inline_string: certificate.key },
        },
      },
    ],
    [typeUrls.runtime]: [{ name: 'shop-runtime', layer: { shop: { closed: closedPercent } } }],
    [typeUrls.extensionConfig]: [
      {
        name: 'fetched-fault',
        typed_config: {
          '@type': FAULT,
          abort: { http_status: faultStatus, percentage: { numerator: 100 } },
          headers: [{ name: ':path', string_match: { exact: '/fault' } }],
        },
      },
    ],
  };
}

function sourceOf(source: ShopOptions['source']): object {
  if (source === 'ads') return { resource_api_version: 'V3', ads: {} };
  const { cluster, delta } = source;
  return {
    resource_api_version: 'V3',
    api_config_source: {
      api_type: delta ? 'DELTA_GRPC' : 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: cluster } }],
    },
  };
}
