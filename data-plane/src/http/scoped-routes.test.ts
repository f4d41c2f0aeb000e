import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RouteConfig, RouteScopeConfig, ScopedRoutesConfig } from '@heddle/engine';
import type { ConfigSource, ResourceSubscription, ResourceWatcher } from '../config-source.js';
import {
  listenerConfig,
  managerConfig,
  routeConfig,
  routeTo,
  TestProxy,
} from '../testing/proxy-under-test.js';

describe('scoped routes', () => {
  let proxy: TestProxy;
  let source: FakeSource;

  beforeEach(() => {
    source = new FakeSource();
    proxy = new TestProxy({ configSource: source });
  });

  afterEach(() => proxy.close());

  async function listen(scopes: readonly RouteScopeConfig[] | undefined): Promise<void> {
    const config: ScopedRoutesConfig = {
      name: 'scoped',
      fragments: [{ header: 'x-region', elementSeparator: '', extract: { kind: 'index', index: 0 } }],
      scopes,
      scopesFetchTimeoutMs: 15_000,
      routesFetchTimeoutMs: 15_000,
    };
    const manager = managerConfig(answering(200), { routes: { kind: 'scoped', config } });
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(manager)], []), []);
  }

  const get = (region?: string): Promise<number> => statusOf(proxy.port(), region);

  it('serve each request by the routes of its scope, and with 404 where there is none', async () => {
    await listen([inline('a', 'eu', 201), inline('b', 'us', 202)]);
    assert.equal(await get('eu'), 201);
    assert.equal(await get('us'), 202);
    assert.equal(await get('asia'), 404);
    assert.equal(await get(), 404);
  });

  it('warm until scopes have come, and the routes that they name', async () => {
    await listen(undefined);
    assert.equal(proxy.listeners.ready, false);
    source.scopes?.onUpdate([named('a', 'eu', 'routes-a'), named('b', 'us', 'routes-b')]);
    assert.equal(proxy.listeners.ready, false);
    source.routes.get('routes-a')?.onUpdate(answering(201));
    source.routes.get('routes-b')?.onAbsent('timeout');
    assert.equal(proxy.listeners.ready, true);
    assert.equal(await get('eu'), 201);
    assert.equal(await get('us'), 404);
    source.routes.get('routes-b')?.onUpdate(answering(202));
    assert.equal(await get('us'), 202);
  });

  it('warm no longer than the scopes are waited for', async () => {
    await listen(undefined);
    source.scopes?.onAbsent('timeout');
    assert.equal(proxy.listeners.ready, true);
    assert.equal(await get('eu'), 404);
  });

  it('follow changes of the scopes, and watch the routes of those that are there', async () => {
    await listen(undefined);
    source.scopes?.onUpdate([named('a', 'eu', 'shared'), named('b', 'us', 'shared')]);
    source.routes.get('shared')?.onUpdate(answering(201));
    assert.equal(await get('us'), 201);
    source.scopes?.onUpdate([named('b', 'us', 'shared'), named('c', 'asia', 'other')]);
    assert.deepEqual([...source.routes.keys()], ['shared', 'other']);
    assert.equal(await get('eu'), 404);
    assert.equal(await get('us'), 201);
    source.scopes?.onUpdate([inline('c', 'asia', 203)]);
    assert.deepEqual([...source.routes.keys()], []);
    assert.equal(await get('asia'), 203);
    await proxy.listeners.apply([], ['listener']);
    assert.equal(source.scopes, undefined);
  });
});

function answering(status: number): RouteConfig {
  return routeConfig([routeTo('/', { kind: 'direct-response', status, body: '' })]);
}

function inline(name: string, key: string, status: number): RouteScopeConfig {
  return { name, key: [key], routes: { kind: 'inline', config: answering(status) } };
}

function named(name: string, key: string, routes: string): RouteScopeConfig {
  return { name, key: [key], routes: { kind: 'rds', name: routes } };
}

function statusOf(port: number, region: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = region === undefined ? {} : { 'x-region': region };
    const request = httpRequest({ host: '127.0.0.1', port, agent: false, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end();
  });
}

class FakeSource implements ConfigSource {
  scopes: ResourceWatcher<readonly RouteScopeConfig[]> | undefined = undefined;
  readonly routes = new Map<string, ResourceWatcher<RouteConfig>>();

  watchRuntime(): ResourceSubscription {
    return { close: () => undefined };
  }

  watchEndpoints(): ResourceSubscription {
    return { close: () => undefined };
  }

  watchRoutes(name: string, watcher: ResourceWatcher<RouteConfig>): ResourceSubscription {
    this.routes.set(name, watcher);
    return { close: () => void this.routes.delete(name) };
  }

  watchScopes(watcher: ResourceWatcher<readonly RouteScopeConfig[]>): ResourceSubscription {
    this.scopes = watcher;
    return { close: () => void (this.scopes = undefined) };
  }

  watchExtension(): ResourceSubscription {
    return { close: () => undefined };
  }
}
