import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { createLogger, systemClock } from '@heddle/common';
import { envoy, packAny, typeUrls, type PackedAny } from '@heddle/xds-protos';
import { HEALTH_FLAG } from '../cluster/health-flag.js';
import type { ClusterStatus } from '../cluster/cluster-manager.js';
import type { DiscoveredResources } from '../discovered-resources.js';
import type { ListenerStatus } from '../listener/listener-manager.js';
import { LabelledMetrics } from '../stats/istio/labelled-metrics.js';
import { Runtime } from '../runtime/runtime.js';
import { StatsStore } from '../stats/stats-store.js';
import { AdminServer } from './admin-server.js';
import { createAdminPages } from './pages/index.js';
import type { ServerState } from './pages/server.js';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type: string;
}

const THRESHOLDS = {
  maxConnections: 1,
  maxPendingRequests: 2,
  maxRequests: 3,
  maxRetries: 4,
  retryBudget: undefined,
  trackRemaining: false,
};

const CLUSTER = {
  config: {
    name: 'a',
    altStatName: '',
    discovery: { kind: 'eds', serviceName: 'service-a', initialFetchTimeoutMs: 0 },
    circuitBreakers: { default: THRESHOLDS, high: THRESHOLDS },
  },
  state: 'active',
  hosts: [
    {
      address: { kind: 'socket', host: '10.0.0.1', port: 80, protocol: 'tcp' },
      hostname: 'one',
      locality: { region: 'r', zone: 'z', subZone: 's' },
      priority: 1,
      weight: 2,
      health: 'unhealthy',
      healthFlags: HEALTH_FLAG.failedEdsHealth,
      successRate: -1,
      localOriginSuccessRate: -1,
      cxActive: 1,
      cxTotal: 2,
      cxConnectFail: 3,
      rqActive: 4,
      rqTotal: 5,
      rqSuccess: 6,
      rqError: 7,
      rqTimeout: 8,
    },
  ],
} as unknown as ClusterStatus;

const LISTENERS = [
  {
    name: 'main',
    state: 'active',
    addresses: [{ kind: 'socket', host: '127.0.0.1', port: 80, protocol: 'tcp' }],
  },
  { name: 'old', state: 'draining', addresses: [] },
] as unknown as ListenerStatus[];

const DISCOVERED: Readonly<Record<string, DiscoveredResources>> = {
  [typeUrls.cluster]: {
    versionInfo: 'v2',
    held: [
      {
        name: 'a',
        version: 'v1',
        bytes: packAny(envoy.config.cluster.v3.Cluster, { name: 'a' }).value,
        updatedAtMs: 1_000,
      },
    ],
    missing: [],
    refused: [
      {
        name: 'a',
        version: 'v2',
        bytes: packAny(envoy.config.cluster.v3.Cluster, { name: 'a', altStatName: 'x' }).value,
        details: 'it is wrong',
        atMs: 2_500,
      },
    ],
  },
  [typeUrls.extensionConfig]: heldAlone(
    'e1',
    envoy.config.core.v3.TypedExtensionConfig.encode({ name: 'fetched' }).finish(),
  ),
  [typeUrls.scopedRouteConfiguration]: heldAlone(
    's1',
    envoy.config.route.v3.ScopedRouteConfiguration.encode({ name: 'eu' }).finish(),
  ),
  [typeUrls.listener]: heldAlone(
    'l1',
    envoy.config.listener.v3.Listener.encode({
      name: 'scoped',
      filterChains: [{ filters: [scoped()] }],
    }).finish(),
  ),
};

describe('the admin server', () => {
  let server: AdminServer;
  let port = 0;
  let state: ServerState = 'INITIALIZING';
  const calls: string[] = [];
  const stats = new StatsStore();
  const labelled = new LabelledMetrics({ clock: systemClock, stats });
  const log = createLogger({ component: 'test', sink: { write: () => undefined } });

  before(async () => {
    stats.counter('cluster.upstream_rq_total', [['envoy_cluster_name', 'a']]).add(2);
    stats.counter('cluster.upstream_rq_total', [['envoy_cluster_name', 'b']]);
    stats.histogram('cluster.upstream_rq_time', [['envoy_cluster_name', 'a']]).record(3);
    stats.histogram('cluster.upstream_rq_time', [['envoy_cluster_name', 'b']]);
    server = new AdminServer({
      address: { kind: 'socket', host: '127.0.0.1', port: 0, protocol: 'tcp' },
      log,
      pages: createAdminPages({
        runtime: new Runtime([{ kind: 'admin', name: 'admin' }]),
        onRuntimeModified: (changes) =>
          calls.push(...[...changes].map((change) => `set ${change.join(' ')}`)),
        stats: () => stats,
        labelledMetrics: () => labelled,
        refreshStats: () => undefined,
        clusters: { status: () => [CLUSTER] },
        listeners: { status: () => LISTENERS },
        discovered: (typeUrl) =>
          DISCOVERED[typeUrl] ?? { versionInfo: '', held: [], missing: [], refused: [] },
        localSecrets: () => [],
        certificates: () => [],
        nowMs: () => Date.now(),
        bootstrap: () => envoy.config.bootstrap.v3.Bootstrap.create({ node: { id: 'written' } }),
        startedAtMs: 0,
        identity: { state: () => undefined, renew: () => undefined },
        isAddedByApi: () => true,
        server: {
          log,
          version: '1',
          node: envoy.config.core.v3.Node.create({ id: 'me' }),
          uptimeMs: () => 5500,
          commandLineOptions: { concurrency: 1 },
          control: {
            state: () => state,
            drainListeners: ({ inboundOnly }) => void calls.push(`drain ${inboundOnly}`),
            quit: () => void calls.push('quit'),
            failHealthCheck: (failed) => void calls.push(`fail ${failed}`),
            resetCounters: () => stats.resetCounters(),
            reopenLogs: () => void calls.push('reopen'),
          },
        },
      }),
    });
    await server.start();
    assert.ok(server.address.kind === 'socket');
    port = server.address.port;
  });

  after(() => server.close());

  function ask(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port, path, method, headers: { connection: 'close', ...headers } },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (body += chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body,
              type: String(response.headers['content-type']),
            }),
          );
        },
      );
      request.on('error', reject);
      request.end();
    });
  }

  it('says whether it is ready by status', async () => {
    state = 'INITIALIZING';
    assert.deepEqual(await ask('/ready'), {
      status: 503,
      body: 'INITIALIZING\n',
      type: 'text/plain; charset=UTF-8',
    });
    state = 'LIVE';
    const live = await ask('/ready');
    assert.equal(live.status, 200);
    assert.equal(live.body, 'LIVE\n');
  });

  it('shows runtime settings, and sets them by POST alone', async () => {
    assert.equal((await ask('/runtime_modify?a.b=12')).status, 405);
    assert.equal((await ask('/runtime_modify', 'POST')).status, 400);
    assert.equal((await ask('/runtime_modify?a.b=12&c=true', 'POST')).body, 'OK\n');
    assert.deepEqual(JSON.parse((await ask('/runtime')).body), {
      layers: ['admin'],
      entries: {
        'a.b': { layer_values: ['12'], final_value: '12' },
        c: { layer_values: ['true'], final_value: 'true' },
      },
    });
    assert.deepEqual(
      calls.filter((call) => call.startsWith('set')),
      ['set a.b 12', 'set c true'],
    );
  });

  it('prints clusters as Envoy does', async () => {
    const host = 'a::10.0.0.1:80::';
    assert.deepEqual((await ask('/clusters')).body.trimEnd().split('\n'), [
      'a::observability_name::a',
      ...['default', 'high'].flatMap((priority) => [
        `a::${priority}_priority::max_connections::1`,
        `a::${priority}_priority::max_pending_requests::2`,
        `a::${priority}_priority::max_requests::3`,
        `a::${priority}_priority::max_retries::4`,
      ]),
      'a::added_via_api::true',
      'a::eds_service_name::service-a',
      `${host}cx_active::1`,
      `${host}cx_connect_fail::3`,
      `${host}cx_total::2`,
      `${host}rq_active::4`,
      `${host}rq_error::7`,
      `${host}rq_success::6`,
      `${host}rq_timeout::8`,
      `${host}rq_total::5`,
      `${host}hostname::one`,
      `${host}health_flags::/failed_eds_health`,
      `${host}weight::2`,
      `${host}region::r`,
      `${host}zone::z`,
      `${host}sub_zone::s`,
      `${host}canary::false`,
      `${host}priority::1`,
      `${host}success_rate::-1`,
      `${host}local_origin_success_rate::-1`,
    ]);
    const json = JSON.parse((await ask('/clusters?format=json')).body) as {
      cluster_statuses: { host_statuses: { address: unknown; health_status: unknown }[] }[];
    };
    assert.deepEqual(json.cluster_statuses[0]?.host_statuses[0]?.health_status, {
      eds_health_status: 'UNHEALTHY',
    });
    assert.deepEqual(json.cluster_statuses[0]?.host_statuses[0]?.address, {
      socket_address: { address: '10.0.0.1', port_value: 80 },
    });
  });

  it('prints listeners with the addresses that they have, and not those that drain', async () => {
    assert.equal((await ask('/listeners')).body, 'main::127.0.0.1:80\n');
    assert.deepEqual(JSON.parse((await ask('/listeners?format=json')).body), {
      listener_statuses: [
        {
          name: 'main',
          local_address: { socket_address: { address: '127.0.0.1', port_value: 80 } },
        },
      ],
    });
  });

  it('dumps the configuration with versions and with what was refused', async () => {
    const { configs } = JSON.parse((await ask('/config_dump')).body) as { configs: { '@type': string }[] };
    assert.deepEqual(
      configs.map((config) => config['@type'].replace('type.googleapis.com/envoy.admin.v3.', '')),
      [
        'BootstrapConfigDump',
        'ClustersConfigDump',
        'EcdsConfigDump',
        'ListenersConfigDump',
        'ScopedRoutesConfigDump',
        'RoutesConfigDump',
        'SecretsConfigDump',
      ],
    );
    assert.deepEqual(configs[0], {
      '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump',
      bootstrap: { node: { id: 'me' } },
      last_updated: '1970-01-01T00:00:00Z',
    });
    assert.deepEqual(configs[1], {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
      version_info: 'v2',
      dynamic_active_clusters: [
        {
          version_info: 'v1',
          cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'a' },
          last_updated: '1970-01-01T00:00:01Z',
          error_state: {
            failed_configuration: {
              '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
              name: 'a',
              alt_stat_name: 'x',
            },
            last_update_attempt: '1970-01-01T00:00:02.500Z',
            details: 'it is wrong',
            version_info: 'v2',
          },
          client_status: 'NACKED',
        },
      ],
    });
    const shown = (kind: string): unknown =>
      configs.find((config) => config['@type'] === `type.googleapis.com/envoy.admin.v3.${kind}`);
    assert.deepEqual(shown('EcdsConfigDump'), {
      '@type': 'type.googleapis.com/envoy.admin.v3.EcdsConfigDump',
      ecds_filters: [
        {
          version_info: 'e1',
          ecds_filter: { '@type': typeUrls.extensionConfig, name: 'fetched' },
          last_updated: '1970-01-01T00:00:01Z',
          client_status: 'ACKED',
        },
      ],
    });
    assert.deepEqual(shown('ScopedRoutesConfigDump'), {
      '@type': 'type.googleapis.com/envoy.admin.v3.ScopedRoutesConfigDump',
      dynamic_scoped_route_configs: [
        {
          name: 'regions',
          version_info: 's1',
          scoped_route_configs: [{ '@type': typeUrls.scopedRouteConfiguration, name: 'eu' }],
          last_updated: '1970-01-01T00:00:01Z',
        },
      ],
    });
    const withEndpoints = JSON.parse((await ask('/config_dump?include_eds')).body) as { configs: unknown[] };
    assert.equal(withEndpoints.configs.length, 8);
  });

  it('dumps one field of one kind, with a mask', async () => {
    const answer = await ask('/config_dump?resource=dynamic_active_clusters&mask=cluster.name,version_info');
    assert.deepEqual(JSON.parse(answer.body), {
      configs: [
        {
          '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster',
          cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'a' },
          version_info: 'v1',
        },
      ],
    });
    assert.equal((await ask('/config_dump?resource=made_up')).status, 404);
  });

  it('prints statistics as text, JSON and for Prometheus, filtered', async () => {
    assert.deepEqual((await ask('/stats?filter=upstream_rq')).body.trimEnd().split('\n'), [
      'cluster.a.upstream_rq_total: 2',
      'cluster.b.upstream_rq_total: 0',
      'cluster.a.upstream_rq_time: P0(nan,1) P25(nan,2) P50(nan,3) P75(nan,4) P90(nan,4.6) P95(nan,4.8) ' +
        'P99(nan,4.96) P99.5(nan,4.98) P99.9(nan,4.996) P100(nan,5)',
      'cluster.b.upstream_rq_time: No recorded values',
    ]);
    assert.equal((await ask('/stats?usedonly&filter=total')).body, 'cluster.a.upstream_rq_total: 2\n');
    assert.deepEqual(JSON.parse((await ask('/stats?format=json&filter=%5Ecluster.b.*total$')).body), {
      stats: [{ name: 'cluster.b.upstream_rq_total', value: 0 }],
    });
    for (const path of ['/stats/prometheus', '/stats?format=prometheus']) {
      const { body } = await ask(`${path}${path.includes('?') ? '&' : '?'}filter=rq_total`);
      assert.equal(
        body,
        '# TYPE envoy_cluster_upstream_rq_total counter\n' +
          'envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 2\n' +
          'envoy_cluster_upstream_rq_total{envoy_cluster_name="b"} 0\n',
      );
    }
  });

  it('refuses patterns that are none, or too long, and is not held up by bad ones', async () => {
    assert.equal((await ask('/stats?filter=(')).status, 400);
    assert.equal((await ask('/stats?filter=)(')).status, 400);
    assert.equal((await ask(`/stats?filter=${'a'.repeat(2000)}`)).status, 400);
    assert.equal((await ask(`/stats?filter=${encodeURIComponent('(a+)+$'.repeat(20))}`)).status, 200);
  });

  it('changes something only by POST', async () => {
    for (const path of [
      '/quitquitquit',
      '/drain_listeners',
      '/healthcheck/fail',
      '/healthcheck/ok',
      '/reset_counters',
      '/logging?level=debug',
      '/reopen_logs',
    ]) {
      calls.length = 0;
      const refused = await ask(path);
      assert.equal(refused.status, 405, path);
      assert.deepEqual(calls, []);
      assert.equal((await ask(path, 'POST')).status, 200, path);
    }
    calls.length = 0;
    await ask('/drain_listeners?graceful&inboundonly', 'POST');
    await ask('/healthcheck/fail', 'POST');
    await ask('/quitquitquit', 'POST');
    assert.deepEqual(calls, ['drain true', 'fail true', 'quit']);
    assert.equal(log.level, 'debug');
    assert.equal((await ask('/logging?level=loud', 'POST')).status, 400);
    assert.equal((await ask('/stats?filter=a.upstream_rq_total')).body, 'cluster.a.upstream_rq_total: 0\n');
  });

  it('is not for browsers that were led here under a foreign name or from a foreign page', async () => {
    assert.equal((await ask('/ready', 'GET', { host: 'evil.example' })).status, 403);
    assert.equal((await ask('/ready', 'GET', { host: `evil.example:${port}` })).status, 403);
    assert.equal((await ask('/ready', 'GET', { host: `localhost:${port}` })).status, 200);
    assert.equal((await ask('/ready', 'GET', { host: '[::1]' })).status, 200);
    assert.equal((await ask('/quitquitquit', 'POST', { origin: 'http://evil.example' })).status, 403);
    const own = `127.0.0.1:${port}`;
    assert.equal((await ask('/reopen_logs', 'POST', { host: own, origin: `http://${own}` })).status, 200);
  });

  it('lists every page, and knows nothing else', async () => {
    const help = (await ask('/help')).body;
    const home = await ask('/');
    assert.equal(home.type, 'text/html; charset=UTF-8');
    for (const path of [
      '/clusters',
      '/config_dump',
      '/stats/prometheus',
      '/ready',
      '/server_info',
      '/memory',
    ]) {
      assert.ok(help.includes(`  ${path}: `), path);
      assert.ok(home.body.includes(`href="${path.slice(1)}"`), path);
      assert.equal((await ask(path)).status, 200);
    }
    assert.match(help, / {2}\/quitquitquit \(POST\): /);
    assert.equal((await ask('/made-up')).status, 404);
    assert.equal((await ask('/stats', 'DELETE')).status, 405);
  });

  it('tells about the process', async () => {
    const info = JSON.parse((await ask('/server_info')).body) as Record<string, unknown>;
    assert.equal(info['state'], 'LIVE');
    assert.equal(info['uptime_current_epoch'], '5s');
    assert.deepEqual(info['node'], { id: 'me' });
  });
});

function heldAlone(version: string, bytes: Uint8Array): DiscoveredResources {
  return {
    versionInfo: version,
    held: [{ name: 'one', version, bytes, updatedAtMs: 1_000 }],
    missing: [],
    refused: [],
  };
}

/** A connection manager whose scopes are fetched. */
function scoped(): { readonly name: string; readonly typedConfig: PackedAny } {
  const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3;
  const scopedRoutes = { name: 'regions', scopedRds: { scopedRdsConfigSource: { ads: {} } } };
  return { name: 'http', typedConfig: packAny(HttpConnectionManager, { statPrefix: 's', scopedRoutes }) };
}
