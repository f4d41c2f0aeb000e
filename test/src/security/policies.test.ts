import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  ProxyUnderAttack,
  rbacFilter,
  routeTo,
  statusesOf,
  type AttackedListener,
} from './proxy-under-attack.js';
import { RawHttp2Client } from './raw-http2-client.js';

const path = (matcher: object): object => ({ url_path: { path: matcher } });
const header = (name: string, match: object): object => ({ header: { name, ...match } });
const exact = (value: string): object => ({ string_match: { exact: value } });

/** What the sidecars and gateways of a mesh have: one form of a path before anything looks at it. */
const NORMAL = {
  normalize_path: true,
  merge_slashes: true,
  path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD',
};
const ROUTES = [routeTo('h1', '/admin'), routeTo('h1', '/')];
const listener = (filter: object, further: Partial<AttackedListener> = {}): AttackedListener => ({
  manager: NORMAL,
  filters: [filter],
  routes: ROUTES,
  ...further,
});

const LISTENERS: Readonly<Record<string, AttackedListener>> = {
  path: listener(rbacFilter('DENY', path({ prefix: '/admin' }))),
  allowed: listener(rbacFilter('ALLOW', path({ prefix: '/public' }))),
  parameters: listener(rbacFilter('DENY', path({ exact: '/admin' })), {
    manager: {
      ...NORMAL,
      route_config: {
        name: 'routes',
        ignore_path_parameters_in_path_matching: true,
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { path: '/admin' }, route: { cluster: 'h1' } }, routeTo('h1')],
          },
        ],
      },
    },
  }),
  host: listener(
    rbacFilter('DENY', {
      or_rules: {
        rules: [
          header(':authority', { string_match: { exact: 'admin.example', ignore_case: true } }),
          header(':authority', { string_match: { prefix: 'admin.example:', ignore_case: true } }),
        ],
      },
    }),
  ),
  role: listener(rbacFilter('DENY', header('x-role', exact('admin')))),
  negated: listener(
    rbacFilter('ALLOW', {
      not_rule: header('x-role', { string_match: { safe_regex: { regex: '.*admin.*' } } }),
    }),
  ),
  strict: {
    manager: { common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' } },
  },
  shut: listener(rbacFilter('DENY', { any: true })),
};

/** Asks by both protocols; gives the statuses. What HTTP/2 resets counts as 400. */
async function ask(
  proxy: ProxyUnderAttack,
  name: string,
  target: string,
  { host = 'a', fields = [] as readonly (readonly [string, string])[] } = {},
): Promise<readonly [http1: number, http2: number]> {
  const lines = fields.map(([key, value]) => `${key}: ${value}\r\n`).join('');
  const exchange = await proxy.raw(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`, {
    listener: name,
  });
  const client = await RawHttp2Client.connect(proxy.port(name));
  const lower = fields.map(([key, value]) => [key.toLowerCase(), value] as const);
  client.headers(1, [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', target],
    [':authority', host],
    ...lower,
  ]);
  const { status = 400 } = await client.outcome(1);
  client.close();
  return [statusesOf(exchange)[0] ?? 0, status];
}

describe('what a policy decides and what is routed', () => {
  let proxy: ProxyUnderAttack;
  before(async () => (proxy = await ProxyUnderAttack.start({ listeners: LISTENERS })));
  after(() => proxy.close());
  const nothingReceived = (): void => assert.deepEqual(proxy.received(), []);

  for (const target of [
    '/admin',
    '/x/../admin',
    '//admin',
    '/./admin',
    '/%61dmin',
    '/x%2f..%2fadmin',
    '/x%5C..%5cadmin',
    '/x\\..\\admin',
    '/%2e%2e/admin/',
    '/admin%2fx',
  ]) {
    it(`1.8 ${target} is the path that a policy denies, however it is written (CVE-2019-9901, CVE-2021-29492)`, async () => {
      assert.deepEqual(await ask(proxy, 'path', target), [403, 403]);
      nothingReceived();
    });
  }

  it('1.8 what may be asked for reaches the upstream in the form that the policy saw', async () => {
    assert.deepEqual(await ask(proxy, 'allowed', '/x/..//public%2Fa'), [200, 200]);
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      Array(2).fill('GET /public/a HTTP/1.1'),
    );
    assert.deepEqual(await ask(proxy, 'allowed', '/public/../admin'), [403, 403]);
    nothingReceived();
  });

  it('1.9 a fragment is refused before a policy could miss it (CVE-2021-32779)', async () => {
    assert.deepEqual(await ask(proxy, 'path', '/x#/../admin'), [400, 400]);
    assert.deepEqual(await ask(proxy, 'path', '/admin#x'), [400, 400]);
    nothingReceived();
  });

  it('1.10 path parameters are no way around a policy where routes are found without them (CVE-2026-73553)', async () => {
    assert.deepEqual(await ask(proxy, 'parameters', '/admin;x=y'), [403, 403]);
    assert.deepEqual(await ask(proxy, 'parameters', '/other;x=/admin'), [200, 200]);
    proxy.received();
  });

  it('1.11 a path that does not begin with a slash is refused (CVE-2026-33186)', async () => {
    for (const target of ['admin', 'x/../admin', '*', '?/admin']) {
      const [http1, http2] = await ask(proxy, 'path', target);
      assert.ok(http1 === 400 && (http2 === 400 || http2 === 404), `${target}: ${http1} ${http2}`);
    }
    nothingReceived();
  });

  it('1.12 a host is denied in any case, and with any port (CVE-2021-39155)', async () => {
    for (const host of ['admin.example', 'ADMIN.example', 'Admin.Example:80', 'admin.example:8080']) {
      assert.deepEqual(await ask(proxy, 'host', '/', { host }), [403, 403], host);
    }
    nothingReceived();
    assert.deepEqual(await ask(proxy, 'host', '/', { host: 'other.example' }), [200, 200]);
    proxy.received();
  });

  it('1.13 white space around a value is no part of it (CVE-2019-18802)', async () => {
    const [http1, http2] = await ask(proxy, 'role', '/', { fields: [['X-Role', ' \tadmin \t']] });
    // HTTP/2 forbids it. RFC 9113, section 8.2.1.
    assert.deepEqual([http1, http2], [403, 400]);
    nothingReceived();
  });

  it('1.15 a policy that denies sees every value of a repeated field (CVE-2020-25017, CVE-2026-26308)', async () => {
    for (const fields of [
      [
        ['X-Role', 'guest'],
        ['X-Role', 'admin'],
      ],
      [
        ['X-Role', 'admin'],
        ['X-Role', 'guest'],
      ],
      [
        ['X-Role', 'guest'],
        ['x-role', 'admin'],
        ['X-ROLE', 'guest'],
      ],
    ] as const) {
      assert.deepEqual(await ask(proxy, 'role', '/', { fields }), [403, 403]);
    }
    nothingReceived();
  });

  it('1.17 bytes that are not UTF-8 do not let anybody pass a regular expression that is negated (CVE-2026-73552)', async () => {
    assert.deepEqual(await ask(proxy, 'negated', '/', { fields: [['X-Role', 'guest']] }), [200, 200]);
    proxy.received();
    for (const value of ['admin', 'admin\xff', '\xc3admin', '\xff\xfe']) {
      assert.deepEqual(
        await ask(proxy, 'negated', '/', { fields: [['X-Role', value]] }),
        [403, 403],
        JSON.stringify(value),
      );
    }
    nothingReceived();
  });

  it('1.22 other spellings of a trusted name are denied with it, or refused where that is wanted (CVE-2026-88011)', async () => {
    assert.deepEqual(await ask(proxy, 'role', '/', { fields: [['X_Role', 'admin']] }), [403, 403]);
    assert.deepEqual(await ask(proxy, 'role', '/', { fields: [['X.Role', 'admin']] }), [403, 403]);
    nothingReceived();
    assert.deepEqual(await ask(proxy, 'strict', '/', { fields: [['X_Role', 'admin']] }), [400, 400]);
    nothingReceived();
  });

  it('1.16 no filter that this proxy does not know is taken: an external authorisation cannot be passed by (CVE-2021-32777)', async () => {
    const unknown = {
      name: 'envoy.filters.http.ext_authz',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz' },
    };
    await assert.rejects(
      ProxyUnderAttack.start({ listeners: { plain: { filters: [unknown] } } }),
      /ext_authz/,
    );
  });
});
