import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type {
  DiscoveredHttpFilterConfig,
  ExtensionConfig,
  FaultConfig,
  FilterDiscoveryConfig,
  NetworkRbacConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription, ResourceWatcher } from '../config-source.js';
import {
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  ROUTER,
  startBackend,
  TestProxy,
} from '../testing/proxy-under-test.js';

const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const RBAC = 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC';
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

describe('an HTTP filter that is fetched', () => {
  let proxy: TestProxy;
  let source: FakeExtensions;
  let backend: Awaited<ReturnType<typeof startBackend>>;

  beforeEach(async () => {
    source = new FakeExtensions();
    proxy = new TestProxy({ configSource: source });
    backend = await startBackend((_request, response) => response.end('backend'));
    proxy.clusters.apply([clusterConfig('c', [endpoint(backend.port)])], []);
  });

  afterEach(async () => {
    await proxy.close();
    await backend.close();
  });

  async function listen(discovery: Partial<FilterDiscoveryConfig> = {}, disabled = false): Promise<void> {
    const filter = { name: 'faults', disabled, discovery: discoveryOf(FAULT, discovery) };
    assert.deepEqual(await proxy.listeners.apply([listenerWith([filter])], []), []);
  }

  it('keeps its listener warming until it has come, and works then', async () => {
    await listen();
    assert.equal(proxy.listeners.ready, false);
    const waiting = get(proxy.port());
    source.watcher('faults').onUpdate(fault(418));
    assert.equal(proxy.listeners.ready, true);
    assert.equal((await waiting).status, 418);
    assert.equal(proxy.counter('extension_config_discovery.http_filter.faults.config_reload'), 1);
  });

  it('refuses every request with 500 when it did not come in time', async () => {
    await listen();
    source.watcher('faults').onAbsent('timeout');
    assert.equal((await get(proxy.port())).status, 500);
    source.watcher('faults').onUpdate(fault(418));
    assert.equal((await get(proxy.port())).status, 418);
  });

  it('stands aside where it is disabled, fetched or not', async () => {
    await listen({}, true);
    source.watcher('faults').onAbsent('timeout');
    assert.equal((await get(proxy.port())).status, 200);
    source.watcher('faults').onUpdate(fault(418));
    assert.equal((await get(proxy.port())).status, 200);
  });

  it('does by default what it is told to, when nothing came in time and after it was removed', async () => {
    await listen({ defaultConfig: fault(410) });
    assert.equal(proxy.listeners.ready, false);
    source.watcher('faults').onAbsent('timeout');
    assert.equal((await get(proxy.port())).status, 410);
    source.watcher('faults').onUpdate(fault(418));
    source.watcher('faults').onAbsent('timeout');
    assert.equal((await get(proxy.port())).status, 418);
    source.watcher('faults').onAbsent('removed');
    assert.equal((await get(proxy.port())).status, 410);
  });

  it('does the default at once where it need not be waited for', async () => {
    await listen({ defaultConfig: fault(410), defaultsAtOnce: true });
    assert.equal(proxy.listeners.ready, true);
    assert.equal((await get(proxy.port())).status, 410);
  });

  it('changes under connections that stay open', async () => {
    await listen();
    source.watcher('faults').onUpdate(fault(418));
    const client = new RawClient(proxy.port());
    client.write(GET);
    await client.until((text) => text.includes(' 418 ') && text.endsWith('fault filter abort'));
    source.watcher('faults').onUpdate(fault(410));
    client.write(GET);
    await client.until((text) => text.includes(' 410 ') && text.endsWith('fault filter abort'));
    assert.equal(proxy.counter('listener_manager.listener_modified'), 0);
    client.socket.destroy();
  });

  it('may only be of the kinds that its chain names', async () => {
    await listen();
    const why = source.watcher('faults').whyNot?.({ ...fault(418), typeUrl: RBAC });
    assert.match(why ?? '', /is envoy.extensions.filters.network.rbac.v3.RBAC, and only .*HTTPFault may be/);
    assert.equal(source.watcher('faults').whyNot?.(fault(418)), undefined);
    assert.equal(proxy.counter('extension_config_discovery.http_filter.faults.config_conflict'), 1);
  });

  it('is watched no longer than its listener is there', async () => {
    await listen();
    await proxy.listeners.apply([], ['listener']);
    assert.equal(source.watched, 0);
  });
});

describe('a network filter that is fetched', () => {
  let proxy: TestProxy;
  let source: FakeExtensions;

  beforeEach(async () => {
    source = new FakeExtensions();
    proxy = new TestProxy({ configSource: source });
    proxy.clusters.apply([clusterConfig('c', [])], []);
    const config = listenerWith([]);
    const [chain] = config.filterChains;
    assert.ok(chain !== undefined);
    const filters = [
      { kind: 'discovered' as const, name: 'who', discovery: discoveryOf(RBAC) },
      ...chain.filters,
    ];
    const problems = await proxy.listeners.apply([{ ...config, filterChains: [{ ...chain, filters }] }], []);
    assert.deepEqual(problems, []);
  });

  afterEach(() => proxy.close());

  it('lets no connection pass until it is there, then whom its policies let', async () => {
    assert.equal(proxy.listeners.ready, false);
    source.watcher('who').onAbsent('timeout');
    await assert.rejects(get(proxy.port()));
    source.watcher('who').onUpdate(networkRbac('allow'));
    assert.equal((await get(proxy.port())).status, 503);
    source.watcher('who').onUpdate(networkRbac('deny'));
    await assert.rejects(get(proxy.port()));
    assert.equal(proxy.counter('extension_config_discovery.network_filter.who.config_reload'), 2);
  });

  it('is watched no longer than its listener is there', async () => {
    await proxy.listeners.apply([], ['listener']);
    assert.equal(source.watched, 0);
  });
});

function listenerWith(filters: readonly DiscoveredHttpFilterConfig[]) {
  const routes = routeConfig([forwardRoute('/', 'c')]);
  return listenerConfig(managerConfig(routes, { httpFilters: [...filters, ROUTER] }));
}

function discoveryOf(typeUrl: string, discovery: Partial<FilterDiscoveryConfig> = {}): FilterDiscoveryConfig {
  return {
    typeUrls: [typeUrl],
    defaultConfig: undefined,
    defaultsAtOnce: false,
    initialFetchTimeoutMs: 15_000,
    ...discovery,
  };
}

/** Answers every request with this status. */
function fault(status: number): ExtensionConfig {
  const config: FaultConfig = {
    delay: undefined,
    abort: { source: { kind: 'http', status }, ratio: 1 },
    headers: [],
    upstreamCluster: '',
    downstreamNodes: [],
    maxActiveFaults: undefined,
  };
  return { name: 'faults', typeUrl: FAULT, filter: { kind: 'http', config } };
}

function networkRbac(action: 'allow' | 'deny'): ExtensionConfig {
  const anything = { kind: 'any' } as const;
  const rules = { action, policies: [{ name: 'all', permissions: [anything], principals: [anything] }] };
  const config = { statPrefix: '', rules, shadowRules: undefined, shadowRulesStatPrefix: '', delayDenyMs: 0 };
  return {
    name: 'who',
    typeUrl: RBAC,
    filter: {
      kind: 'network',
      config: { kind: 'rbac', name: 'who', config: config as unknown as NetworkRbacConfig },
    },
  };
}

function get(port: number): Promise<{ readonly status: number }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0 }));
    });
    request.on('error', reject);
    request.end();
  });
}

class FakeExtensions implements ConfigSource {
  readonly #watchers = new Map<string, ResourceWatcher<ExtensionConfig>>();

  watchRuntime(): ResourceSubscription {
    return { close: () => undefined };
  }

  watchEndpoints(): ResourceSubscription {
    return { close: () => undefined };
  }

  watchRoutes(): ResourceSubscription {
    return { close: () => undefined };
  }

  watchScopes(): ResourceSubscription {
    return { close: () => undefined };
  }

  watchExtension(name: string, watcher: ResourceWatcher<ExtensionConfig>): ResourceSubscription {
    this.#watchers.set(name, watcher);
    return { close: () => void this.#watchers.delete(name) };
  }

  get watched(): number {
    return this.#watchers.size;
  }

  watcher(name: string): ResourceWatcher<ExtensionConfig> {
    return this.#watchers.get(name) ?? assert.fail(`nobody watches ${name}`);
  }
}
