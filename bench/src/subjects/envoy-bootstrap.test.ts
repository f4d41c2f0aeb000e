import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { envoyBootstrap } from './envoy-bootstrap.js';
import { allTargets, hostName, lastTarget, routePrefix } from './routing-shape.js';

const shape = { virtualHosts: 3, routesPerHost: 2 };

describe('envoyBootstrap', () => {
  it('has every virtual host, route and cluster of the shape', () => {
    const setup = {
      shape,
      listenPort: 1,
      adminPort: 2,
      backendPort: 3,
      folder: '/nowhere',
      nodeArguments: [],
    };
    const bootstrap = parse(envoyBootstrap(setup, '/nowhere/access.log'));
    const [listener] = bootstrap.static_resources.listeners;
    const manager = listener.filter_chains[0].filters[0].typed_config;
    assert.equal(listener.address.socket_address.port_value, 1);
    assert.equal(bootstrap.admin.address.socket_address.port_value, 2);
    assert.equal(bootstrap.static_resources.clusters.length, 3);
    assert.equal(manager.access_log[0].typed_config.path, '/nowhere/access.log');
    const hosts = manager.route_config.virtual_hosts;
    assert.deepEqual(
      hosts.map((host: { domains: string[] }) => host.domains),
      [[hostName(0)], [hostName(1)], [hostName(2)]],
    );
    assert.equal(hosts[2].routes[1].match.prefix, routePrefix(1));
    assert.equal(hosts[2].routes[1].route.cluster, 'cluster-2');
  });
});

const plain = { shape, listenPort: 1, adminPort: 2, backendPort: 3, folder: '/nowhere', nodeArguments: [] };

describe('envoyBootstrap with what bears failure armed', () => {
  it('has it on every route and cluster, and before the router', () => {
    const { listeners, clusters } = parse(
      envoyBootstrap({ ...plain, armed: true }, '/nowhere/access.log'),
    ).static_resources;
    const manager = listeners[0].filter_chains[0].filters[0].typed_config;
    assert.equal(manager.http_filters[0].name, 'envoy.filters.http.local_ratelimit');
    for (const { outlier_detection, circuit_breakers } of clusters) {
      assert.equal(outlier_detection.consecutive_5xx, 5);
      assert.ok(circuit_breakers.thresholds[0].retry_budget);
    }
    for (const { routes } of manager.route_config.virtual_hosts) {
      for (const { route } of routes) assert.match(route.retry_policy.retry_on, /^5xx,/);
    }
  });
});

describe('envoyBootstrap for mutual TLS', () => {
  it('encrypts the side that lies between the two proxies, and only that', () => {
    const client = parse(
      envoyBootstrap({ ...plain, mtls: { side: 'client', certificates: '/c' } }, '/nowhere/access.log'),
    ).static_resources;
    const server = parse(
      envoyBootstrap({ ...plain, mtls: { side: 'server', certificates: '/c' } }, '/nowhere/access.log'),
    ).static_resources;
    assert.equal(client.listeners[0].filter_chains[0].transport_socket, undefined);
    assert.match(client.clusters[0].transport_socket.typed_config['@type'], /UpstreamTlsContext$/);
    assert.match(
      server.listeners[0].filter_chains[0].transport_socket.typed_config['@type'],
      /DownstreamTlsContext$/,
    );
    assert.equal(server.clusters[0].transport_socket, undefined);
  });

  it('keeps no sessions where full handshakes are measured', () => {
    const keysOf = (resumes: boolean): number => {
      const handshakes = { side: 'client', resumes, certificates: '/c' } as const;
      const bootstrap = parse(envoyBootstrap({ ...plain, handshakes }, ''));
      return bootstrap.static_resources.clusters[0].transport_socket.typed_config.max_session_keys;
    };
    assert.equal(keysOf(false), 0);
    assert.ok(keysOf(true) > 1);
  });
});

describe('allTargets', () => {
  it('asks for every route exactly once', () => {
    const targets = allTargets(shape, '1k');
    assert.equal(new Set(targets.map(({ host, path }) => host + path)).size, 6);
  });

  it('has the last route among them', () => {
    const [last] = lastTarget(shape, '1k');
    assert.deepEqual(last, { host: hostName(2), path: `${routePrefix(1)}items/1k` });
    assert.ok(allTargets(shape, '1k').some(({ host, path }) => host === last?.host && path === last.path));
  });
});
