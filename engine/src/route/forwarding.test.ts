import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '@heddle/common';
import { envoy, fromJson, type ProtoProblem } from '@heddle/xds-protos';
import type { ForwardAction, RedirectAction, RouteEntryConfig, RouteTarget } from '../config/route-config.js';
import { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import { emptyStreamInfo } from '../testing/stream-info-fixture.js';
import { translateRouteConfiguration } from '../translate/route-configuration.js';
import { chooseCluster } from './cluster-choice.js';
import { applyHeaderChanges } from './header-changes.js';
import { LinearRegex } from './linear-regex.js';
import { redirectLocation, rewriteHost, rewritePath } from './rewrite.js';
import { createRouteTable } from './route-table.js';

describe('rewritePath', () => {
  const rewrite = (match: object, action: object, path: string): string | undefined => {
    const route = routeOf({ match, route: { cluster: 'a', ...action } });
    return rewritePath(route, route.action as ForwardAction, path);
  };

  it('replaces the matched prefix and keeps the query', () => {
    assert.equal(rewrite({ prefix: '/a/' }, { prefix_rewrite: '/' }, '/a/b?q=/a/'), '/b?q=/a/');
    assert.equal(rewrite({ prefix: '/a' }, { prefix_rewrite: '/x' }, '/a'), '/x');
    assert.equal(rewrite({ path: '/a' }, { prefix_rewrite: '/x' }, '/a?q'), '/x?q');
    assert.equal(rewrite({ path_separated_prefix: '/a' }, { prefix_rewrite: '/x' }, '/a/b'), '/x/b');
    assert.equal(rewrite({ prefix: '/' }, {}, '/a'), undefined);
  });

  it('replaces by regular expression in the path alone', () => {
    const regex_rewrite = { pattern: { regex: '^/service/([^/]+)(/.*)$' }, substitution: '\\2/instance/\\1' };
    assert.equal(
      rewrite({ prefix: '/' }, { regex_rewrite }, '/service/foo/v1/api?a=/service/x/y'),
      '/v1/api/instance/foo?a=/service/x/y',
    );
  });
});

describe('LinearRegex.replaceAll', () => {
  it('takes backslash groups and leaves dollar signs alone', () => {
    assert.equal(new LinearRegex('(b)').replaceAll('abc', '[\\1$1\\\\1]'), 'a[b$1\\1]c');
  });
});

describe('rewriteHost', () => {
  it('prefers the weighted cluster, then the action', () => {
    const action = routeOf({ match: { prefix: '/' }, route: { cluster: 'a', host_rewrite_header: 'X-Host' } })
      .action as ForwardAction;
    assert.equal(rewriteHost(action, headOf('/', { 'x-host': 'h' })), 'h');
    assert.equal(rewriteHost(action, headOf('/', { 'x-host': 'h' }), 'w'), 'w');
    assert.equal(rewriteHost(action, headOf('/')), undefined);
  });
});

describe('redirectLocation', () => {
  const location = (
    redirect: object,
    path = '/p/x?q=1',
    authority = 'a.example:80',
    match: object = { prefix: '/p' },
  ): string => {
    const route = routeOf({ match, redirect });
    return redirectLocation(route, route.action as RedirectAction, { ...headOf(path), authority });
  };

  it('builds the URL that Envoy builds', () => {
    assert.equal(location({ https_redirect: true }), 'https://a.example/p/x?q=1');
    assert.equal(location({ https_redirect: true }, '/', 'a.example:8080'), 'https://a.example:8080/');
    assert.equal(location({ host_redirect: 'b', port_redirect: 81 }), 'http://b:81/p/x?q=1');
    assert.equal(location({ path_redirect: '/n' }), 'http://a.example:80/n?q=1');
    assert.equal(location({ path_redirect: '/n?z' }), 'http://a.example:80/n?z');
    assert.equal(location({ path_redirect: '/n', strip_query: true }), 'http://a.example:80/n');
    assert.equal(location({ prefix_rewrite: '/new' }), 'http://a.example:80/new/x?q=1');
    assert.equal(location({ https_redirect: true }, '/', '[::1]:80'), 'https://[::1]/');
  });
});

describe('chooseCluster', () => {
  const target: RouteTarget = {
    kind: 'weighted',
    totalWeight: 100,
    randomValueHeader: 'x-random',
    clusters: [weighted('v1', 90), weighted('none', 0), weighted('v2', 10)],
  };

  it('follows the weights', () => {
    const random = createSeededRandom(3);
    const counts = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const { name } = chooseCluster(target, headOf('/'), random);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.equal(counts.get('none'), undefined);
    assert.ok(Math.abs((counts.get('v2') ?? 0) - 2000) < 200, String(counts.get('v2')));
  });

  it('keeps a caller with one version by the header', () => {
    const choose = (value: string): string =>
      chooseCluster(target, headOf('/', { 'x-random': value }), () => 0).name;
    assert.equal(choose('89'), 'v1');
    assert.equal(choose('18446744073709551590'), 'v2'); // …590 mod 100 = 90
    assert.equal(choose('not a number'), 'v1');
  });

  it('yields no name when the header that names the cluster is absent', () => {
    assert.equal(chooseCluster({ kind: 'cluster-header', header: 'x-c' }, headOf('/'), () => 0).name, '');
  });
});

describe('header changes', () => {
  const apply = (wins: boolean): string[] => {
    const set = (value: string): object[] => [
      { header: { key: 'x-a', value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      { header: { key: 'x-log', value } },
    ];
    const config = configOf({
      most_specific_header_mutations_wins: wins,
      request_headers_to_add: set('table'),
      virtual_hosts: [
        {
          name: 'v',
          domains: ['*'],
          request_headers_to_add: set('host'),
          routes: [
            {
              match: { prefix: '/' },
              non_forwarding_action: {},
              request_headers_to_add: set('route %REQ(x-user)%'),
            },
          ],
        },
      ],
    });
    const head = headOf('/', { 'x-user': 'bob' });
    const found = createRouteTable(config).find(head, () => 0, true);
    assert.ok(found.matched);
    applyHeaderChanges(found.requestHeaders, head.headers, { ...emptyStreamInfo(), request: head });
    return [head.headers.joined('x-a') ?? '', head.headers.joined('x-log') ?? ''];
  };

  it('run most specific first, or last when that should win', () => {
    assert.deepEqual(apply(false), ['table', 'route bob,host,table']);
    assert.deepEqual(apply(true), ['route bob', 'table,host,route bob']);
  });

  it('cannot be made to write a line break by a value', () => {
    const config = configOf({
      virtual_hosts: [
        {
          name: 'v',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              non_forwarding_action: {},
              request_headers_to_add: [{ header: { key: 'x-copy', value: '%REQ(x-evil)%' } }],
            },
          ],
        },
      ],
    });
    const head = headOf('/', { 'x-evil': 'a\r\nx-admin: 1\0' });
    const found = createRouteTable(config).find(head, () => 0, true);
    applyHeaderChanges(found.matched ? found.requestHeaders : [], head.headers, {
      ...emptyStreamInfo(),
      request: head,
    });
    assert.equal(head.headers.get('x-copy'), 'a  x-admin: 1');
  });
});

function weighted(name: string, weight: number): Extract<RouteTarget, { kind: 'weighted' }>['clusters'][0] {
  const none = { remove: [], set: [] };
  return {
    name,
    weight,
    requestHeaders: none,
    responseHeaders: none,
    hostRewriteLiteral: '',
    perFilterConfig: new Map(),
  };
}

function configOf(json: object): ReturnType<typeof createRouteTable>['config'] {
  const problems: ProtoProblem[] = [];
  const proto = fromJson(envoy.config.route.v3.RouteConfiguration, { name: 'r', ...json }, problems);
  assert.deepEqual(problems, []);
  const translated = translateRouteConfiguration(proto);
  assert.ok(translated.ok, JSON.stringify(translated));
  return translated.value;
}

function routeOf(route: object): RouteEntryConfig {
  return configOf({ virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }] }).virtualHosts[0]!
    .routes[0]!;
}

function headOf(path: string, fields: Record<string, string> = {}): RequestHead {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'a.example',
    path,
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
}
