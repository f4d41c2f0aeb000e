import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReportedProxy } from '../../launcher/heddled-client.js';
import { configKinds, readConfigDump, type ConfigFilter, type ConfigKindName } from './config-tables.js';
import { proxyNamed } from './find-admin.js';

const EVERYTHING: ConfigFilter = {
  port: undefined,
  fqdn: undefined,
  direction: undefined,
  subset: undefined,
  name: undefined,
};

describe('the tables of a proxy’s configuration', () => {
  it('say of listeners which connections go where', () => {
    assert.deepEqual(rows('listeners'), [
      ['envoy://main_internal/', '-', 'ALL', 'Cluster: inbound|81||'],
      ['0.0.0.0', '80', 'Trans: raw_buffer; App: http/1.1', 'Route: 80'],
      ['0.0.0.0', '80', 'ALL', 'Cluster: PassthroughCluster'],
      ['0.0.0.0', '15006', 'Port: 9080', 'Inline Route: inbound|9080|| (TLS)'],
    ]);
    assert.deepEqual(rows('listeners', { port: 15_006 }).length, 1);
  });

  it('say of routes what matches, where it goes and which rule made them', () => {
    assert.deepEqual(rows('routes'), [
      ['80', 'reviews:80', 'reviews + 1 more', '/a/* end-user', 'v1 90, v2 10', 'default/reviews/canary'],
      ['80', 'reviews:80', 'reviews + 1 more', '/*', 'answers 418', '-'],
    ]);
    assert.deepEqual(rows('routes', { name: '81' }), []);
  });

  it('say of clusters and endpoints what their names hold, and show only what is asked for', () => {
    const host = 'reviews.default.svc.cluster.local';
    assert.deepEqual(rows('clusters'), [
      ['heddled', '-', '-', '-', 'STATIC', 'ROUND_ROBIN'],
      [host, '80', 'v1', 'outbound', 'EDS', 'LEAST_REQUEST'],
    ]);
    assert.equal(rows('clusters', { fqdn: host, port: 80, subset: 'v1', direction: 'outbound' }).length, 1);
    for (const other of [{ fqdn: 'x' }, { port: 81 }, { subset: 'v2' }, { direction: 'inbound' }])
      assert.deepEqual(rows('clusters', other), []);
    assert.deepEqual(rows('endpoints'), [
      ['10.0.0.1:80', 'HEALTHY', 'EJECTED', 'OK', '2', 'eu/a', `outbound|80|v1|${host}`],
      ['envoy://a/10.0.0.2:80', 'HEALTHY', 'OK', 'OK', '1', '-', `outbound|80|v1|${host}`],
      ['unix:/run/x', 'UNKNOWN', 'OK', 'FAILED', '1', '-', `outbound|80|v1|${host}`],
    ]);
  });

  it('say of secrets that have not come that they are waited for', () => {
    assert.deepEqual(rows('secrets'), [['default', '-', 'WARMING', '-', '-', '-', '-']]);
  });

  it('are of JSON whose parts may be anything', () => {
    for (const odd of ['{}', '[]', 'null', '{"configs":[1,null,{"@type":5}]}']) {
      const dump = readConfigDump(odd, odd);
      for (const kind of Object.values(configKinds)) kind.rows(kind.select(dump, EVERYTHING));
    }
  });
});

describe('a proxy that is named', () => {
  const proxies = ['web-0.shop', 'web-0.test', 'api-1.shop'].map((name) => proxy(name));

  it('is found by the part of its name that is its alone', () => {
    assert.equal(proxyNamed('api-1', proxies).id, 'sidecar~127.0.0.1~api-1.shop~x');
    assert.equal(proxyNamed('api', proxies).id, 'sidecar~127.0.0.1~api-1.shop~x');
    assert.equal(proxyNamed('web-0.test', proxies).id, 'sidecar~127.0.0.1~web-0.test~x');
    assert.equal(proxyNamed('sidecar~127.0.0.1~web-0.shop~x', proxies).namespace, 'shop');
  });

  it('is refused with those that there are, where there is none or more than one', () => {
    assert.throws(() => proxyNamed('web-0', proxies), /may be each of web-0\.shop, web-0\.test/);
    assert.throws(() => proxyNamed('db', proxies), /there are api-1\.shop, web-0\.shop, web-0\.test/);
    assert.throws(() => proxyNamed('db', []), /no proxy is connected/);
  });
});

function rows(kind: ConfigKindName, filter: Partial<ConfigFilter> = {}): readonly (readonly string[])[] {
  const dump = readConfigDump(JSON.stringify(DUMP), JSON.stringify(CLUSTERS));
  const all = { ...EVERYTHING, ...filter };
  return configKinds[kind].rows(configKinds[kind].select(dump, all)).slice(1);
}

function proxy(name: string): ReportedProxy {
  const [instance = '', namespace = ''] = name.split('.');
  const workload = instance.split('-')[0] ?? '';
  const common = { role: 'sidecar', version: '', protocol: 'delta', types: [] };
  return { id: `sidecar~127.0.0.1~${name}~x`, namespace, workload, ...common };
}

const TYPE = 'type.googleapis.com/envoy.admin.v3.';
const address = (host: string, port: number): unknown => ({
  socket_address: { address: host, port_value: port },
});
const chain = (config: object, more: object = {}): unknown => ({
  filters: [{ typed_config: config }],
  ...more,
});

const DUMP = {
  configs: [
    {
      '@type': `${TYPE}ListenersConfigDump`,
      static_listeners: [],
      dynamic_listeners: [
        {
          active_state: {
            listener: {
              name: 'virtualInbound',
              address: address('0.0.0.0', 15_006),
              filter_chains: [
                chain(
                  { route_config: { name: 'inbound|9080||' } },
                  {
                    filter_chain_match: { destination_port: 9080 },
                    transport_socket: { name: 'envoy.transport_sockets.tls' },
                  },
                ),
              ],
            },
          },
        },
        {
          active_state: {
            listener: {
              name: '0.0.0.0_80',
              address: address('0.0.0.0', 80),
              filter_chains: [
                chain(
                  { rds: { route_config_name: '80' } },
                  {
                    filter_chain_match: {
                      transport_protocol: 'raw_buffer',
                      application_protocols: ['http/1.1'],
                    },
                  },
                ),
              ],
              default_filter_chain: chain({ cluster: 'PassthroughCluster' }),
            },
          },
        },
        {
          active_state: {
            listener: {
              name: 'main_internal',
              internal_listener: {},
              filter_chains: [chain({ cluster: 'inbound|81||' })],
            },
          },
        },
        { name: 'refused', error_state: {} },
      ],
    },
    {
      '@type': `${TYPE}RoutesConfigDump`,
      dynamic_route_configs: [
        {
          route_config: {
            name: '80',
            virtual_hosts: [
              {
                name: 'reviews:80',
                domains: ['reviews', 'reviews:80'],
                routes: [
                  {
                    name: 'default/reviews/canary',
                    match: { path_separated_prefix: '/a', headers: [{ name: 'end-user' }] },
                    route: {
                      weighted_clusters: {
                        clusters: [
                          { name: 'v1', weight: 90 },
                          { name: 'v2', weight: 10 },
                        ],
                      },
                    },
                  },
                  { name: 'default', match: { prefix: '/' }, direct_response: { status: 418 } },
                ],
              },
            ],
          },
        },
      ],
    },
    {
      '@type': `${TYPE}ClustersConfigDump`,
      static_clusters: [{ cluster: { name: 'heddled' } }],
      dynamic_active_clusters: [
        {
          cluster: {
            name: 'outbound|80|v1|reviews.default.svc.cluster.local',
            type: 'EDS',
            lb_policy: 'LEAST_REQUEST',
          },
        },
      ],
    },
    { '@type': `${TYPE}SecretsConfigDump`, dynamic_warming_secrets: [{ name: 'default' }] },
  ],
};

const CLUSTERS = {
  cluster_statuses: [
    {
      name: 'outbound|80|v1|reviews.default.svc.cluster.local',
      host_statuses: [
        {
          address: address('10.0.0.1', 80),
          health_status: { eds_health_status: 'HEALTHY', failed_outlier_check: true },
          weight: 2,
          locality: { region: 'eu', zone: 'a' },
        },
        {
          address: { envoy_internal_address: { server_listener_name: 'a', endpoint_id: '10.0.0.2:80' } },
          health_status: { eds_health_status: 'HEALTHY' },
        },
        {
          address: { pipe: { path: '/run/x' } },
          health_status: { failed_active_health_check: true },
        },
      ],
    },
  ],
};
