import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RbacCondition, RbacConfig, RbacFilterConfig } from '@heddle/engine';
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
} from '../../../testing/proxy-under-test.js';

describe('the RBAC filter', () => {
  let proxy: TestProxy;
  let backend: Awaited<ReturnType<typeof startBackend>>;
  let reached: string[];

  beforeEach(async () => {
    reached = [];
    proxy = new TestProxy();
    backend = await startBackend((request, response) => {
      reached.push(request.url ?? '');
      response.end('ok');
    });
  });

  afterEach(async () => {
    await proxy.close();
    await backend.close();
  });

  async function serve(filters: readonly RbacFilterConfig[], options: ServeOptions = {}): Promise<void> {
    proxy.clusters.apply([clusterConfig('backend', [endpoint(backend.port)])], []);
    const route = forwardRoute('/', 'backend', {}, { perFilterConfig: options.override ?? new Map() });
    const routes = { ...routeConfig([route]), ...options.routes };
    const manager = managerConfig(routes, {
      httpFilters: [
        ...filters.map((config) => ({ name: 'rbac', typeUrl: RBAC_TYPE_URL, config, disabled: false })),
        ROUTER,
      ],
      normalizePath: true,
      accessLogs: [
        proxy.accessLog({
          kind: 'json',
          fields: {
            code: '%RESPONSE_CODE%',
            flags: '%RESPONSE_FLAGS%',
            details: '%RESPONSE_CODE_DETAILS%',
            rule: '%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%',
            shadow: '%DYNAMIC_METADATA(envoy.filters.http.rbac:dry_shadow_engine_result)%',
            hint: '%DYNAMIC_METADATA(envoy.common:access_log_hint)%',
          },
          omitEmptyValues: false,
        }),
      ],
      ...options.manager,
    });
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(manager)], []), []);
  }

  /** The status of the answer to a request with these first lines. */
  async function ask(target: string, ...fields: string[]): Promise<{ status: number; text: string }> {
    const client = new RawClient(proxy.port());
    client.write(
      `${target.includes(' ') ? target : `GET ${target}`} HTTP/1.1\r\n${['host: shop', ...fields].join('\r\n')}\r\nconnection: close\r\n\r\n`,
    );
    const text = await client.untilEnd();
    client.close();
    return { status: Number(text.split(' ')[1]), text };
  }

  it('answers 403 with the words of Envoy, and says in log and statistics which rule it was', async () => {
    await serve([
      filterOf(policies('deny', { 'ns[a]-policy[b c]-rule[0]': path('exact', '/admin') }), {
        trackPerRuleStats: true,
      }),
    ]);
    const { status, text } = await ask('/admin?x=1');
    assert.equal(status, 403);
    assert.ok(text.endsWith('RBAC: access denied'), text);
    assert.equal((await ask('/open')).status, 200);
    assert.deepEqual(reached, ['/open']);
    const [denied, allowed] = await proxy.logLines();
    assert.deepEqual(denied, {
      code: 403,
      flags: '-',
      details: 'rbac_access_denied_matched_policy[ns[a]-policy[b_c]-rule[0]]',
      rule: 'ns[a]-policy[b c]-rule[0]',
      shadow: null,
      hint: null,
    });
    assert.equal(allowed?.['rule'], null);
    assert.equal(proxy.counter('http.rbac.denied'), 1);
    assert.equal(proxy.counter('http.rbac.allowed'), 1);
    assert.equal(proxy.counter('http.rbac.policy.denied'), 1);
  });

  it('says the reason in our own log', async () => {
    await serve([filterOf(policies('allow', {}))], { manager: { accessLogs: [proxy.accessLog()] } });
    assert.equal((await ask('/')).status, 403);
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_code_details'], 'rbac_access_denied_matched_policy[none]');
    assert.equal(line?.['reason'], 'no rule of the policies that allow matches');
  });

  it('asks policies that deny before those that allow, as they stand in the chain', async () => {
    await serve([
      filterOf(policies('deny', { no: path('prefix', '/a/secret') })),
      filterOf(policies('allow', { yes: path('prefix', '/a') })),
    ]);
    assert.deepEqual(
      [(await ask('/a/x')).status, (await ask('/a/secret')).status, (await ask('/b')).status],
      [200, 403, 403],
    );
    const lines = await proxy.logLines();
    assert.deepEqual(
      lines.map(({ details }) => details),
      ['via_upstream', 'rbac_access_denied_matched_policy[no]', 'rbac_access_denied_matched_policy[none]'],
    );
  });

  it('counts what shadow rules would do and keeps nobody out by them', async () => {
    await serve([
      {
        ...filterOf(undefined),
        shadowRules: policies('deny', { no: path('exact', '/x') }),
        shadowRulesStatPrefix: 'dry_',
      },
    ]);
    assert.deepEqual([(await ask('/x')).status, (await ask('/y')).status], [200, 200]);
    const lines = await proxy.logLines();
    assert.deepEqual(
      lines.map(({ shadow }) => shadow),
      ['denied', 'allowed'],
    );
    assert.equal(proxy.counter('http.rbac.dry_.shadow_denied'), 1);
    assert.equal(proxy.counter('http.rbac.dry_.shadow_allowed'), 1);
    assert.equal(proxy.counter('http.rbac.allowed'), 0);
  });

  it('leaves a hint for access logs where policies only log', async () => {
    await serve([filterOf(policies('log', { writes: path('prefix', '/w') }))]);
    assert.deepEqual([(await ask('/w')).status, (await ask('/r')).status], [200, 200]);
    assert.deepEqual(
      (await proxy.logLines()).map(({ hint }) => hint),
      ['true', 'false'],
    );
  });

  it('takes the rules of a route instead of its own, and none where the route has none', async () => {
    await serve([filterOf(policies('allow', {}))], {
      override: new Map([['rbac', filterOf(policies('allow', { all: { kind: 'any' } }))]]),
    });
    assert.equal((await ask('/')).status, 200);
    await proxy.listeners.apply([], ['listener']);
    await serve([filterOf(policies('allow', {}))], { override: new Map([['rbac', filterOf(undefined)]]) });
    assert.equal((await ask('/')).status, 200);
  });

  it('is answered by gRPC status 7 to gRPC', async () => {
    await serve([filterOf(policies('allow', {}))]);
    const { text } = await ask('POST /s/m', 'content-type: application/grpc');
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.match(text, /grpc-status: 7\r\n/);
  });

  describe('sees the path that is routed', () => {
    const deny = filterOf(
      policies('deny', { admin: path('exact', '/admin'), below: path('prefix', '/admin/') }),
    );

    it('and not another way to write it (CVE-2019-9901, CVE-2021-29492, CVE-2021-32779)', async () => {
      await serve([deny], {
        manager: { mergeSlashes: true, pathWithEscapedSlashesAction: 'unescape-and-forward' },
      });
      const ways = [
        '/a/../admin',
        '/./admin',
        '//admin',
        '/%61dmin',
        '/x%2F..%2fadmin',
        '/x%5C..%5cadmin',
        '/admin?',
        '/admin#x',
        '/x/%2e%2e/admin',
        'http://shop/admin',
      ];
      for (const way of ways) {
        const { status } = await ask(way);
        assert.ok(status === 403 || status === 400, `${way}: ${status}`);
      }
      assert.deepEqual(reached, []);
    });

    it('without path parameters, where routes are found without them (CVE-2026-73553)', async () => {
      await serve([deny], { routes: { ignorePathParametersInPathMatching: true } });
      assert.equal((await ask('/admin;x=y')).status, 403);
      assert.equal((await ask('/open;x=y')).status, 200);
    });

    it('and never one that does not begin with a slash (CVE-2026-33186)', async () => {
      await serve([deny]);
      assert.equal((await ask('admin')).status, 400);
      assert.deepEqual(reached, []);
    });
  });

  it('sees values without white space around them, whole (CVE-2019-18802)', async () => {
    await serve([filterOf(policies('deny', { p: header('x-role', 'admin') }))]);
    assert.equal((await ask('/', 'x-role:   admin \t ')).status, 403);
    assert.equal((await ask('/', 'x-role: admin', 'x-role: user')).status, 403);
    assert.equal((await ask('/', 'x-role: admin\0')).status, 400);
    assert.equal((await ask('/', 'X_Role: admin')).status, 403);
  });

  it('takes the client that trusted proxies speak for apart from the peer of the connection', async () => {
    const remote: RbacCondition = { kind: 'remote-ip', range: { address: '203.0.113.0', prefixLength: 24 } };
    const direct: RbacCondition = {
      kind: 'direct-remote-ip',
      range: { address: '127.0.0.0', prefixLength: 8 },
    };
    await serve([filterOf(policies('allow', { p: { kind: 'and', conditions: [remote, direct] } }))]);
    assert.equal((await ask('/', 'x-forwarded-for: 203.0.113.9')).status, 200);
    assert.equal((await ask('/', 'x-forwarded-for: 198.51.100.9')).status, 403);
    assert.equal((await ask('/')).status, 403);
  });

  it('knows the address and port that the client came to', async () => {
    const here: RbacCondition = { kind: 'destination-ip', range: { address: '127.0.0.1', prefixLength: 32 } };
    await serve([filterOf(policies('allow', { p: here }))]);
    assert.equal((await ask('/')).status, 200);
    const port = proxy.port();
    await serve([
      filterOf(policies('deny', { p: { kind: 'destination-port', first: port, end: port + 1 } })),
    ]);
    assert.equal((await ask('/')).status, 403);
  });
});

const RBAC_TYPE_URL = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';

interface ServeOptions {
  readonly override?: ReadonlyMap<string, unknown>;
  readonly routes?: Partial<ReturnType<typeof routeConfig>>;
  readonly manager?: Parameters<typeof managerConfig>[1];
}

function filterOf(rules: RbacConfig | undefined, more: Partial<RbacFilterConfig> = {}): RbacFilterConfig {
  return {
    rules,
    shadowRules: undefined,
    rulesStatPrefix: '',
    shadowRulesStatPrefix: '',
    trackPerRuleStats: false,
    ...more,
  };
}

function policies(
  action: RbacConfig['action'],
  conditions: Readonly<Record<string, RbacCondition>>,
): RbacConfig {
  return {
    action,
    policies: Object.entries(conditions).map(([name, condition]) => ({
      name,
      permissions: [condition],
      principals: [{ kind: 'any' }],
    })),
  };
}

function path(kind: 'exact' | 'prefix', value: string): RbacCondition {
  return { kind: 'path', matcher: { kind, value, ignoreCase: false } };
}

function header(name: string, value: string): RbacCondition {
  const matcher = { kind: 'exact' as const, value, ignoreCase: false };
  return {
    kind: 'header',
    header: { name, match: { kind: 'string', matcher }, invert: false, treatMissingAsEmpty: false },
  };
}
