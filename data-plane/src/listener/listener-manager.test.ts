import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  formatAddress,
  type AddressConfig,
  type FilterChainMatchConfig,
  type ListenerConfig,
  type RouteConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceWatcher } from '../config-source.js';
import {
  eventually,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  routeTo,
  TestProxy,
} from '../testing/proxy-under-test.js';

describe('ListenerManager', () => {
  let proxy: TestProxy;
  let watcher: ResourceWatcher<RouteConfig> | undefined;
  const clients: RawClient[] = [];

  beforeEach(() => {
    watcher = undefined;
    const configSource: ConfigSource = {
      watchEndpoints: () => ({ close: () => undefined }),
      watchExtension: () => ({ close: () => undefined }),
      watchScopes: () => ({ close: () => undefined }),
      watchRuntime: () => ({ close: () => undefined }),
      watchRoutes: (_name, one) => {
        watcher = one;
        return { close: () => undefined };
      },
    };
    proxy = new TestProxy({ configSource, drainTimeMs: 50 });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
  });

  function connectTo(port: number): RawClient {
    const client = new RawClient(port);
    clients.push(client);
    return client;
  }

  it('lets connections that arrive before the routes wait for them', async () => {
    await proxy.listeners.apply([rdsListener()], []);
    assert.equal(proxy.listeners.ready, false);
    let ready = 0;
    proxy.listeners.onReady(() => ready++);
    const client = connectTo(proxy.port());
    const answer = ask(client);
    await eventually(() => proxy.listeners.activeConnections === 1);
    assert.equal(client.text, '');
    watcher?.onUpdate(answering('first'));
    assert.equal(ready, 1);
    assert.match(await answer, /first$/);
  });

  it('uses new routes for the next request on the same connection', async () => {
    await proxy.listeners.apply([rdsListener()], []);
    watcher?.onUpdate(answering('first'));
    const client = connectTo(proxy.port());
    assert.match(await ask(client), /first$/);
    watcher?.onUpdate(answering('second'));
    assert.match(await ask(client), /second$/);
  });

  it('keeps the socket, and connections of chains that did not change, when another chain changes', async () => {
    const config = direct('one');
    await proxy.listeners.apply([config], []);
    const port = proxy.port();
    const client = connectTo(port);
    assert.match(await ask(client), /one$/);
    const [chain] = config.filterChains;
    assert.ok(chain);
    const [other] = direct('other').filterChains;
    assert.ok(other);
    const match = { ...ANY_CONNECTION, destinationPort: 1 };
    await proxy.listeners.apply([{ ...config, filterChains: [chain, { ...other, match }] }], []);
    assert.equal(proxy.port(), port);
    assert.doesNotMatch(await ask(client), /connection: close/);
  });

  it('ends connections of a chain that changed after what they carry', async () => {
    await proxy.listeners.apply([direct('one')], []);
    const port = proxy.port();
    const client = connectTo(port);
    await ask(client);
    await proxy.listeners.apply([direct('two')], []);
    await client.untilEnd();
    assert.equal(proxy.port(), port);
    assert.match(await ask(connectTo(port)), /two$/);
  });

  it('refuses an address that is taken, and goes on with the rest', async () => {
    await proxy.listeners.apply([direct('one')], []);
    const taken = proxy.port();
    const problems = await proxy.listeners.apply(
      [
        {
          ...direct('two'),
          name: 'second',
          address: { kind: 'socket', host: '127.0.0.1', port: taken, protocol: 'tcp' },
        },
        { ...direct('three'), name: 'third' },
      ],
      [],
    );
    assert.deepEqual(
      problems.map((problem) => problem.resource),
      ['second'],
    );
    assert.match(problems[0]?.message ?? '', /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
    assert.match(await ask(connectTo(proxy.port('third'))), /three$/);
  });

  it('refuses two chains that match the same connections', async () => {
    const config = direct('one');
    const [chain] = config.filterChains;
    assert.ok(chain);
    const problems = await proxy.listeners.apply([{ ...config, filterChains: [chain, chain] }], []);
    assert.match(problems[0]?.message ?? '', /filter_chains\[1\] matches the same connections/);
  });

  it('writes a line for each connection, also of those that no chain takes, where the listener has an access log', async () => {
    const config = direct('one');
    const [chain] = config.filterChains;
    assert.ok(chain);
    const match = {
      destinationPort: undefined,
      prefixRanges: [],
      serverNames: [],
      transportProtocol: '',
      applicationProtocols: [],
      directSourcePrefixRanges: [],
      sourceType: 'external',
      sourcePrefixRanges: [],
      sourcePorts: [],
    } as const;
    const accessLogs = [proxy.accessLog()];
    await proxy.listeners.apply([{ ...config, accessLogs }], []);
    const served = connectTo(proxy.port());
    await ask(served);
    served.close();
    await proxy.listeners.apply([{ ...config, accessLogs, filterChains: [{ ...chain, match }] }], []);
    await connectTo(proxy.port()).untilEnd();
    await eventually(() => proxy.listeners.activeConnections === 0);
    const lines = await proxy.logLines();
    assert.deepEqual(
      lines.map(({ response_flags: flags, response_code_details: details }) => [flags, details]),
      [
        [null, null],
        ['NR', 'filter_chain_not_found'],
      ],
    );
  });

  it('closes connections above the limit of a listener', async () => {
    await proxy.listeners.apply([{ ...direct('one'), maxConnections: 1 }], []);
    const first = connectTo(proxy.port());
    await ask(first);
    const second = connectTo(proxy.port());
    await second.untilEnd();
    assert.equal(proxy.counter('listener.downstream_cx_overflow'), 1);
    assert.match(await ask(first), /one$/);
  });

  it('stops accepting when it drains, and says when nothing is left', async () => {
    await proxy.listeners.apply([direct('one')], []);
    const port = proxy.port();
    const client = connectTo(port);
    await ask(client);
    const drained = new Promise<void>((resolve) => proxy.listeners.drain({}, resolve));
    await client.untilEnd();
    await drained;
    const late = connectTo(port);
    assert.equal(await late.untilEnd(), '');
    await eventually(() => proxy.listeners.status().length === 0);
  });

  it('keeps idle connections of what is replaced or removed until the next answer has told their clients', async () => {
    const config = direct('one');
    await proxy.listeners.apply([config], []);
    const clients = Array.from({ length: 3 }, () => connectTo(proxy.port()));
    for (const client of clients) await ask(client);
    const [first, second, third] = clients as [RawClient, RawClient, RawClient];
    await proxy.listeners.apply([direct('two')], []);
    assert.match(await told(first), /one$/);
    await proxy.listeners.apply([], ['listener']);
    assert.match(await told(second), /one$/);
    // The process ends: there is no more time to tell anybody.
    const drained = new Promise<void>((resolve) => proxy.listeners.drain({}, resolve));
    await third.untilEnd();
    await drained;
  });

  it('keeps idle connections until the next answer where another process has taken its place', async () => {
    await proxy.listeners.apply([direct('one')], []);
    const client = connectTo(proxy.port());
    await ask(client);
    const drained = new Promise<void>((resolve) => proxy.listeners.drain({ keepsIdle: true }, resolve));
    assert.match(await told(client), /one$/);
    await drained;
  });

  it('frees the address of a listener that is removed', async () => {
    await proxy.listeners.apply([direct('one')], []);
    const port = proxy.port();
    const again: ListenerConfig = {
      ...direct('two'),
      name: 'again',
      address: { kind: 'socket', host: '127.0.0.1', port, protocol: 'tcp' },
    };
    assert.deepEqual(await proxy.listeners.apply([again], ['listener']), []);
    assert.match(await ask(connectTo(port)), /two$/);
  });
});

describe('a listener for redirected connections', () => {
  const going = (host: string, port: number): AddressConfig => ({
    kind: 'socket',
    host,
    port,
    protocol: 'tcp',
  });
  let destination: AddressConfig | undefined;
  let proxy: TestProxy;

  beforeEach(async () => {
    proxy = new TestProxy({ originalDestination: () => destination });
    const [blackHole] = direct('round in circles').filterChains;
    assert.ok(blackHole);
    const virtual = direct('elsewhere');
    const withoutSocket = { bindToPort: false };
    await proxy.listeners.apply(
      [
        {
          ...virtual,
          name: 'virtual',
          useOriginalDst: true,
          filterChains: [
            ...virtual.filterChains,
            { ...blackHole, match: { ...ANY_CONNECTION, destinationPort: 15_001 } },
          ],
        },
        { ...direct('the service'), name: 'service', address: going('240.240.0.1', 5432), ...withoutSocket },
        { ...direct('any on 9080'), name: 'port', address: going('0.0.0.0', 9080), ...withoutSocket },
      ],
      [],
    );
  });

  afterEach(() => proxy.close());

  for (const [to, answer] of [
    [going('240.240.0.1', 5432), 'the service'],
    [going('240.240.0.2', 9080), 'any on 9080'],
    [going('2001:db8::1', 9080), 'any on 9080'],
    [going('240.240.0.2', 5432), 'elsewhere'],
    [going('10.0.0.1', 15_001), 'round in circles'],
    [undefined, 'elsewhere'],
  ] as const) {
    it(`hands one that was going to ${to === undefined ? 'the listener itself' : formatAddress(to)} to ${answer}`, async () => {
      destination = to;
      const client = new RawClient(proxy.port('virtual'));
      assert.match(await ask(client), new RegExp(`${answer}$`));
      client.close();
    });
  }

  it('finds no listener any more that was removed', async () => {
    destination = going('240.240.0.1', 5432);
    const before = new RawClient(proxy.port('virtual'));
    assert.match(await ask(before), /the service$/);
    await proxy.listeners.apply([], ['service']);
    const after = new RawClient(proxy.port('virtual'));
    assert.match(await ask(after), /elsewhere$/);
    before.close();
    after.close();
  });
});

const ANY_CONNECTION: FilterChainMatchConfig = {
  destinationPort: undefined,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'any',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

async function ask(client: RawClient): Promise<string> {
  client.text = '';
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  return client.until((text) => /\r\n\r\n.+$/s.test(text));
}

/** The last answer on a connection, with the word that it was the last. */
async function told(client: RawClient): Promise<string> {
  client.text = '';
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const text = await client.untilEnd();
  assert.match(text, /\r\nconnection: close\r\n/);
  return text;
}

function answering(body: string): RouteConfig {
  return routeConfig([routeTo('/', { kind: 'direct-response', status: 200, body })]);
}

function direct(body: string): ListenerConfig {
  return listenerConfig(managerConfig(answering(body), { delayedCloseTimeoutMs: 50 }));
}

function rdsListener(): ListenerConfig {
  return listenerConfig(
    managerConfig(answering(''), { routes: { kind: 'rds', name: 'routes', initialFetchTimeoutMs: 0 } }),
  );
}
