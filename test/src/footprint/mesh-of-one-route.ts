import assert from 'node:assert/strict';
import { fromJson, typeNameOf, typeUrls, type ProtoProblem } from '@heddle/xds-protos';

const ADS = { ads: {}, resource_api_version: 'V3' };

interface NamedMessage {
  readonly typeUrl: string;
  readonly name: string;
  readonly message: object;
}

/** A listener whose routes come by RDS, and a cluster whose endpoint comes by EDS; both are others in every `turn`. */
export function meshOfOneRoute(port: number, upstreamPort: number, turn = 0): readonly NamedMessage[] {
  return [
    named(typeUrls.listener, 'l', {
      name: 'l',
      address: { socket_address: { address: '127.0.0.1', port_value: port } },
      filter_chains: [
        {
          filters: [
            {
              name: 'envoy.filters.network.http_connection_manager',
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                stat_prefix: 'l',
                rds: { route_config_name: 'r', config_source: ADS },
                http_filters: [
                  {
                    name: 'envoy.filters.http.router',
                    typed_config: {
                      '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                    },
                  },
                ],
              },
            },
          ],
        },
      ],
    }),
    named(typeUrls.routeConfiguration, 'r', {
      name: 'r',
      virtual_hosts: [
        {
          name: 'v',
          domains: ['*'],
          routes: [
            ...(turn === 0 ? [] : [{ match: { path: `/turn-${turn}` }, route: { cluster: 'a' } }]),
            { match: { prefix: '/' }, route: { cluster: 'a', timeout: '0s' } },
          ],
        },
      ],
    }),
    named(typeUrls.cluster, 'a', {
      name: 'a',
      type: 'EDS',
      connect_timeout: '1s',
      eds_cluster_config: { eds_config: ADS },
    }),
    named(typeUrls.clusterLoadAssignment, 'a', endpoints('a', upstreamPort, turn)),
  ];
}

/** A sidecar that gets everything over incremental ADS. */
export function sidecarBootstrap(adminPort: number, xdsPort: number): unknown {
  return {
    node: { id: 'footprint', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: { ...ADS, initial_fetch_timeout: '2s' },
      lds_config: { ...ADS, initial_fetch_timeout: '2s' },
    },
    static_resources: {
      clusters: [
        { name: 'xds', type: 'STATIC', connect_timeout: '1s', load_assignment: endpoints('xds', xdsPort) },
      ],
    },
  };
}

function endpoints(name: string, port: number, turn = 0): object {
  const host = (address: string): object => ({
    endpoint: { address: { socket_address: { address, port_value: port } } },
  });
  // On Linux all of 127/8 is this machine.
  const others = turn === 0 ? [] : [host(`127.0.${1 + (turn % 200)}.1`)];
  return { cluster_name: name, endpoints: [{ lb_endpoints: [host('127.0.0.1'), ...others] }] };
}

function named(typeUrl: string, name: string, json: object): NamedMessage {
  const problems: ProtoProblem[] = [];
  const message = fromJson(typeNameOf(typeUrl), json, problems);
  assert.ok(message !== undefined && problems.length === 0, JSON.stringify(problems));
  return { typeUrl, name, message };
}
