import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '@heddle/common';
import fc from 'fast-check';
import type { RouteConfig, RouteEntryConfig, RouteMatchConfig } from '../config/route-config.js';
import { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import { explain } from './explain.js';
import { NO_HEADER_CHANGES } from './header-changes.js';
import { LinearRegex } from './linear-regex.js';
import { createRouteTable, type RouteMatch, type RouteMiss } from './route-table.js';

describe('RouteTable', () => {
  it('finds the same route through the index as by walking, for any table and request', () => {
    fc.assert(
      fc.property(
        fc.array(anyMatch, { maxLength: 12 }),
        fc.array(anyHead, { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (matches, heads, ignoreParameters, chance) => {
          const config = tableOf(matches, { ignorePathParametersInPathMatching: ignoreParameters });
          const table = createRouteTable(config);
          for (const head of heads) {
            const found = table.find(head, () => chance, true);
            assert.equal(
              found,
              table.walk(head, () => chance, true),
            );
            assert.equal(
              explain(config, head, { secure: true, randomValue: chance }).routeIndex,
              indexOf(found),
            );
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('takes the first match, whatever its kind', () => {
    const table = createRouteTable(
      tableOf([
        { path: { kind: 'prefix', value: '/a/b' }, headers: [userIs('bob')] },
        { path: { kind: 'regex', regex: new LinearRegex('/a/.*') } },
        { path: { kind: 'exact', value: '/a/b' } },
        { path: { kind: 'prefix', value: '/' } },
      ]),
    );
    assert.equal(find(table, '/a/b'), 1);
    assert.equal(find(table, '/a/b', { 'x-user': 'bob' }), 0);
    assert.equal(find(table, '/z?a=/a/b'), 3);
  });

  it('matches a path-separated prefix only at a slash or the end', () => {
    const table = createRouteTable(tableOf([{ path: { kind: 'path-separated-prefix', value: '/api' } }]));
    assert.deepEqual(
      ['/api', '/api/', '/api/x', '/api?x', '/apix', '/ap'].map((path) => find(table, path)),
      [0, 0, 0, 0, -1, -1],
    );
  });

  it('sees every value of a repeated header', () => {
    const table = createRouteTable(
      tableOf([{ headers: [{ ...userIs('x'), match: { kind: 'string', matcher: contains('evil') } }] }, {}]),
    );
    const head = headOf('/', 'a.example');
    head.headers.append('x-user', 'good');
    head.headers.append('x-user', 'evil');
    assert.equal(indexOf(table.find(head, () => 0, true)), 0);
  });

  it('does not match an absent header, inverted or not', () => {
    const inverted = createRouteTable(tableOf([{ headers: [{ ...userIs('bob'), invert: true }] }]));
    assert.equal(find(inverted, '/'), -1);
    assert.equal(find(inverted, '/', { 'x-user': 'eve' }), 0);
    const asEmpty = createRouteTable(
      tableOf([{ headers: [{ ...userIs('bob'), invert: true, treatMissingAsEmpty: true }] }]),
    );
    assert.equal(find(asEmpty, '/'), 0);
  });

  it('takes the virtual host by exact domain, longest suffix, longest prefix, then star', () => {
    const host = (name: string, ...domains: string[]): RouteConfig['virtualHosts'][0] => ({
      ...(tableOf([{}]).virtualHosts[0] as RouteConfig['virtualHosts'][0]),
      name,
      domains,
    });
    const table = createRouteTable({
      ...tableOf([]),
      ignorePortInHostMatching: true,
      virtualHosts: [
        host('any', '*'),
        host('short', '*.example.com'),
        host('long', '*.a.example.com', '*-x.example.org'),
        host('exact', 'www.a.example.com', '[::1]'),
        host('prefix', 'www.*'),
      ],
    });
    const names = [
      ['www.a.example.com', 'exact'],
      ['WWW.A.example.com:8080', 'exact'],
      ['b.a.example.com', 'long'],
      ['b.example.com', 'short'],
      ['.example.com', 'any'],
      ['q-x.example.org', 'long'],
      ['www.other', 'prefix'],
      ['example.com', 'any'],
      ['', 'any'],
      ['[::1]:80', 'exact'],
    ];
    for (const [authority, expected] of names) {
      assert.equal(table.virtualHost(authority as string)?.name, expected, authority);
    }
  });

  it('says whether the host or only the route was missing', () => {
    const table = createRouteTable(tableOf([], { domain: 'a.example' }));
    const miss = (authority: string): unknown => {
      const found = table.find(headOf('/', authority), () => 0, true);
      return found.matched ? undefined : found.reason;
    };
    assert.equal(miss('b.example'), 'no-virtual-host');
    assert.equal(miss('a.example'), 'no-route');
  });

  it('redirects plain requests of a virtual host that requires TLS', () => {
    const config = tableOf([{}]);
    const [host] = config.virtualHosts;
    const table = createRouteTable({ ...config, virtualHosts: [{ ...host!, requireTls: 'all' }] });
    const plain = table.find(headOf('/', 'a.example'), () => 0, false);
    assert.equal(plain.matched && plain.route.action.kind, 'redirect');
    assert.equal(indexOf(table.find(headOf('/', 'a.example'), () => 0, true)), 0);
  });

  it('gives a route its share of the requests', () => {
    const table = createRouteTable(tableOf([{ runtimeFraction: 0.25 }, {}]));
    const random = createSeededRandom(7);
    let first = 0;
    for (let i = 0; i < 10_000; i++) {
      if (indexOf(table.find(headOf('/', 'a'), random, true)) === 0) first++;
    }
    assert.ok(Math.abs(first - 2500) < 200, `${first} of 10000`);
  });

  it('knows which filters any of its levels says anything of', () => {
    const [host] = tableOf([{}, {}]).virtualHosts;
    const [first, second] = host?.routes ?? [];
    assert.ok(host !== undefined && first !== undefined && second !== undefined);
    const says = (name: string) => ({ perFilterConfig: new Map([[name, {}]]) });
    const routes = [first, { ...second, ...says('of-route') }];
    const config = { ...tableOf([]), ...says('of-table'), virtualHosts: [{ ...host, routes }] };
    const table = createRouteTable({
      ...config,
      virtualHosts: [...config.virtualHosts, { ...host, ...says('of-host') }],
    });
    assert.deepEqual([...table.overriddenFilters].sort(), ['of-host', 'of-route', 'of-table']);
  });

  it('takes virtual hosts that it had before as they are', () => {
    const config = tableOf([{}]);
    const before = createRouteTable(config);
    const [host] = config.virtualHosts;
    assert.ok(host !== undefined);
    const added = { ...host, name: 'other', domains: ['other.test'] };
    const after = createRouteTable({ ...config, virtualHosts: [added, host] }, {}, before);
    const find = (table: typeof before, authority: string) =>
      table.find(headOf('/', authority), () => 0, true);
    assert.equal(find(after, 'a'), find(before, 'a'));
    const found = find(after, 'other.test');
    assert.equal(found.matched && found.virtualHost.name, 'other');
  });

  it('explains every route up to the match', () => {
    const config = tableOf([{ path: { kind: 'exact', value: '/x' } }, { headers: [userIs('bob')] }, {}, {}]);
    const { routes, outcome } = explain(config, headOf('/y', 'a', { 'x-user': 'eve' }));
    assert.equal(outcome, 'match');
    assert.deepEqual(
      routes.map((route) => route.reason),
      ['path "/y" is not exact "/x"', 'header x-user is "eve", wanted exact "bob"', 'matches'],
    );
  });
});

const contains = (value: string) => ({ kind: 'contains', value, ignoreCase: false }) as const;

const userIs = (value: string): RouteMatchConfig['headers'][0] => ({
  name: 'x-user',
  match: { kind: 'string', matcher: { kind: 'exact', value, ignoreCase: false } },
  invert: false,
  treatMissingAsEmpty: false,
});

const MATCH_ALL: RouteMatchConfig = {
  path: { kind: 'prefix', value: '/' },
  caseSensitive: true,
  headers: [],
  queryParameters: [],
  runtimeFraction: 1,
  grpcOnly: false,
};

function tableOf(
  matches: readonly Partial<RouteMatchConfig>[],
  options: { readonly domain?: string; readonly ignorePathParametersInPathMatching?: boolean } = {},
): RouteConfig {
  const changes = { requestHeaders: NO_HEADER_CHANGES, responseHeaders: NO_HEADER_CHANGES };
  const perFilterConfig = new Map<string, unknown>();
  return {
    name: 'r',
    ...changes,
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    ignorePathParametersInPathMatching: options.ignorePathParametersInPathMatching ?? false,
    internalOnlyHeaders: [],
    perFilterConfig,
    virtualHosts: [
      {
        name: 'v',
        domains: [options.domain ?? '*'],
        ...changes,
        rateLimits: [],
        requireTls: 'none',
        includeRequestAttemptCount: false,
        includeAttemptCountInResponse: false,
        includeIsTimeoutRetryHeader: false,
        perFilterConfig,
        routes: matches.map((match, i): RouteEntryConfig => ({
          name: `route-${i}`,
          match: { ...MATCH_ALL, ...match },
          action: { kind: 'direct-response', status: 200, body: '' },
          ...changes,
          perFilterConfig,
          decoratorOperation: '',
          effectiveRequestHeaders: [],
          effectiveResponseHeaders: [],
        })),
      },
    ],
  };
}

function headOf(path: string, authority: string, fields: Record<string, string> = {}): RequestHead {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return { method: 'GET', scheme: 'http', authority, path, headers, version: 'HTTP/1.1', upgrade: '' };
}

const indexOf = (found: RouteMatch | RouteMiss): number => (found.matched ? found.routeIndex : -1);

function find(
  table: ReturnType<typeof createRouteTable>,
  path: string,
  fields: Record<string, string> = {},
): number {
  return indexOf(table.find(headOf(path, 'a.example', fields), () => 0, true));
}

// Few letters, so that prefixes, cases and routes collide often.
const anyPath = fc
  .array(fc.constantFrom('/', '/a', '/A', '/ab', 'b', '/c;x', '/b/', 'ß'), { maxLength: 4 })
  .map((parts) => `/${parts.join('')}`.replace(/^\/\//, '/'));

const anyMatch: fc.Arbitrary<Partial<RouteMatchConfig>> = fc.record({
  path: fc.oneof(
    fc.record({
      kind: fc.constantFrom('exact' as const, 'prefix' as const, 'path-separated-prefix' as const),
      value: anyPath,
    }),
    fc
      .constantFrom('/a.*', '.*b', '/(a|A)/?')
      .map((source) => ({ kind: 'regex' as const, regex: new LinearRegex(source) })),
    fc.constant({ kind: 'connect' as const }),
    fc.constant({ kind: 'prefix' as const, value: '' }),
  ),
  caseSensitive: fc.boolean(),
  headers: fc.array(
    fc.record({
      name: fc.constantFrom('x-user', ':method'),
      match: fc.oneof(
        fc.constant({ kind: 'present' as const, present: true }),
        fc.constant({
          kind: 'string' as const,
          matcher: { kind: 'exact' as const, value: 'bob', ignoreCase: true },
        }),
        fc.constant({ kind: 'range' as const, start: 1, end: 5 }),
      ),
      invert: fc.boolean(),
      treatMissingAsEmpty: fc.boolean(),
    }),
    { maxLength: 1 },
  ),
  queryParameters: fc.array(fc.constant({ name: 'q', match: { kind: 'present' as const } }), {
    maxLength: 1,
  }),
  runtimeFraction: fc.constantFrom(1, 1, 0.5),
  grpcOnly: fc.constantFrom(false, false, false, true),
});

const anyHead: fc.Arbitrary<RequestHead> = fc
  .record({
    method: fc.constantFrom('GET', 'CONNECT'),
    path: fc.oneof(anyPath, fc.constant('')),
    query: fc.constantFrom('', '?', '?q', '?q=1&r', '?x/a'),
    fields: fc.constantFrom<Record<string, string>[]>(
      {},
      { 'x-user': 'Bob' },
      { 'x-user': '3' },
      { 'content-type': 'application/grpc+proto' },
    ),
  })
  .map(({ method, path, query, fields }) => ({
    ...headOf(path === '' ? '' : path + query, 'a.example', fields),
    method,
  }));
