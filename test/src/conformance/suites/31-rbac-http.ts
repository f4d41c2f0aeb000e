import { readFile } from 'node:fs/promises';
import { eventually } from '../../support/eventually.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

type Fields = NonNullable<RequestOptions['headers']>;

/** Who is let in: the status for each of some requests to one set of rules. */
function row(
  title: string,
  requests: Readonly<Record<string, readonly [string, RequestOptions]>>,
): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const seen: Record<string, Observation> = {};
      for (const [name, [target, options]] of Object.entries(requests)) {
        const { status, body } = await proxy.exchange(target, options);
        seen[name] = body === 'let in' ? status : `${status} ${body}`;
      }
      return seen;
    },
  };
}

type Roles = Readonly<Record<string, Fields>>;

const roles: Roles = {
  none: [],
  admin: [['X-Role', 'admin']],
  'in another case': [['X-Role', 'ADMIN']],
  'another one': [['X-Role', 'root']],
  empty: [['X-Role', '']],
  'with white space around': [['X-Role', ' \t admin  ']],
  'a list with it': [['X-Role', 'user,admin']],
  digits: [['X-Role', '7']],
  'a letter beyond ASCII': [['X-Role', Buffer.from('grün').toString('latin1')]],
  'it twice': [
    ['X-Role', 'admin'],
    ['X-Role', 'admin'],
  ],
};

const repeated: Roles = {
  'it first': [
    ['X-Role', 'admin'],
    ['X-Role', 'USER'],
  ],
  'it last': [
    ['X-Role', 'USER'],
    ['X-Role', 'admin'],
  ],
};

const underscores: Roles = { admin: [['X_Role', 'admin']] };

const notText: Roles = { 'bytes of no character': [['X-Role', 'admin\xff']] };

function roleRow(title: string, rules: string, by: Roles): ConformanceRow {
  return row(
    `${title}: ${rules}`,
    Object.fromEntries(
      Object.entries(by).map(([name, headers]) => [name, [`/${rules}`, { headers }] as const]),
    ),
  );
}

/** Each set of rules on `x-role`, with everything that can be said of it. */
function roleRows(rules: string): ConformanceRow[] {
  return [
    roleRow('roles', rules, roles),
    roleRow('different roles at once', rules, repeated),
    roleRow('a role by a name with an underscore', rules, underscores),
    roleRow('a role that is no text', rules, notText),
  ];
}

function targetRow(rules: string, targets: readonly string[], options: RequestOptions = {}): ConformanceRow {
  return row(
    `targets: ${rules}`,
    Object.fromEntries(targets.map((target) => [target, [target, options] as const])),
  );
}

const forwarded = (address: string): RequestOptions => ({ headers: [['X-Forwarded-For', address]] });

async function logLines(proxy: RowContext, last: string): Promise<readonly string[]> {
  await proxy.exchange(last);
  let lines: readonly string[] = [];
  await eventually(
    async () => {
      lines = (await readFile(`${proxy.logFile}.routes`, 'utf8').catch(() => '')).split('\n').slice(0, -1);
      return lines.some((line) => line.startsWith(`${last} `));
    },
    () => `the last line did not come: ${lines.slice(-3).join('\n')}`,
  );
  return lines.map((line) => proxy.normalised(line));
}

export const rbacHttp: ConformanceSuite = {
  file: '31-rbac-http',
  upstreams: ['b1'],
  rows: [
    row('methods', {
      GET: ['/allow-get', {}],
      POST: ['/allow-get', { method: 'POST', body: 'some bytes' }],
      HEAD: ['/allow-get', { method: 'HEAD' }],
    }),
    targetRow('deny-path', [
      '/deny-path',
      '/deny-path/secret',
      '/deny-path/secret?x=y',
      '/deny-path/secret/more',
      '/deny-path/secrets',
      '/deny-path/a/../secret',
      '/deny-path//secret',
      '/deny-path/./secret',
      '/deny-path/%73ecret',
      '/deny-path/secret;x=y',
      '/deny-path/SECRET',
      '/deny-path?/deny-path/secret',
    ]),
    targetRow('allow-path', [
      '/allow-path/a/x',
      '/allow-path/a/b/x',
      '/allow-path//x',
      '/allow-path/a/x?y',
      '/allow-path/a/x/',
    ]),
    targetRow('allow-path-query', ['/allow-path-query', '/allow-path-query?ok', '/allow-path-query?ok=no']),
    row(
      'hosts',
      Object.fromEntries(
        [
          'shop.example',
          'SHOP.EXAMPLE',
          'shop.example:8080',
          'shop.example.',
          'a.evil.example',
          'a.EVIL.example',
          'a.evil.example:80',
        ].flatMap((host) =>
          ['allow-host', 'deny-host'].map((rules) => [`${rules} ${host}`, [`/${rules}`, { host }] as const]),
        ),
      ),
    ),
    row('addresses', {
      'the peer': ['/allow-direct', forwarded('203.0.113.9')],
      'the source': ['/allow-source', forwarded('203.0.113.9')],
      'the client': ['/allow-remote', forwarded('203.0.113.9')],
      'the client, behind another': ['/allow-remote', forwarded('203.0.113.9, 198.51.100.1')],
      'another client': ['/allow-remote', forwarded('203.0.114.9')],
      'no client': ['/allow-remote', {}],
      'a client that is no address': ['/allow-remote', forwarded('shop')],
      'a client by IPv6': ['/allow-remote-v6', forwarded('2001:db8:7fff::1')],
      'another by IPv6': ['/allow-remote-v6', forwarded('2001:db8:8000::1')],
      destination: ['/allow-destination', {}],
      'another port': ['/allow-other-port', {}],
    }),
    row('peers', {
      authenticated: ['/allow-authenticated', {}],
      'not authenticated': ['/allow-not-authenticated', {}],
      'any name': ['/allow-principal', {}],
      'no server name': ['/allow-no-server-name', {}],
      'no name to deny': ['/deny-server-name', {}],
      'no filter state': ['/filter-state', {}],
    }),
    row('sets', {
      nothing: ['/sets', {}],
      a: ['/sets', { headers: [['x-a', '']] }],
      'a and b': [
        '/sets',
        {
          headers: [
            ['x-a', ''],
            ['x-b', ''],
          ],
        },
      ],
      'a, b and c': [
        '/sets',
        {
          headers: [
            ['x-a', ''],
            ['x-b', ''],
            ['x-c', ''],
          ],
        },
      ],
      'a and e': [
        '/sets',
        {
          headers: [
            ['x-a', ''],
            ['x-e', ''],
          ],
        },
      ],
      'a, d and e': [
        '/sets',
        {
          headers: [
            ['x-a', ''],
            ['x-d', '1'],
            ['x-e', ''],
          ],
        },
      ],
    }),
    row('whose name is given', {
      'the first by name': ['/first-by-name', {}],
      'upper case before lower case': ['/first-by-name', { headers: [['x-upper', '']] }],
      'white space': ['/name-with-spaces', {}],
    }),
    row('rules without policies', {
      'that allow': ['/allow-none', {}],
      'that deny': ['/deny-none', {}],
      none: ['/no-rules', {}],
      'switched off': ['/switched-off', {}],
      'no override': ['/other', {}],
    }),
    row('rules without force', {
      logged: ['/log', { headers: [['x-role', 'admin']] }],
      'not logged': ['/log', {}],
      'denied in the shadow': ['/shadow', { headers: [['x-role', 'admin']] }],
      'allowed in the shadow': ['/shadow', {}],
      'allowed by the shadow only': ['/shadow-only', { headers: [['x-role', 'admin']] }],
      'denied by the shadow only': ['/shadow-only', {}],
    }),
    row('metadata of an earlier filter', {
      matching: ['/metadata', { headers: [['x-role', 'admin']] }],
      'not matching': ['/metadata', {}],
      'matching, inverted': ['/metadata-inverted', { headers: [['x-role', 'admin']] }],
      'not matching, inverted': ['/metadata-inverted', {}],
      absent: ['/metadata-absent', {}],
    }),
    {
      title: 'an answer to a denied request, whole',
      observe: async (proxy) => [
        await proxy.request('/allow-none'),
        await proxy.request('/allow-none', { method: 'POST', body: 'twelve bytes' }),
        await proxy.request('/allow-none', { method: 'HEAD' }),
        await proxy.request('/allow-none', {
          method: 'POST',
          headers: [['content-type', 'application/grpc']],
          body: '',
        }),
      ],
    },
    {
      title: 'rules that deny, then rules that allow',
      observe: async (proxy) => {
        const seen: Record<string, Observation> = {};
        for (const target of ['/a', '/a/secret', '/a/dry', '/a/dry/../secret', '/b']) {
          const { status, body } = await proxy.exchange(target, { port: 'CHAIN' });
          const received = proxy.received()['received'];
          seen[target] = [status, status === 200 ? '' : body, Array.isArray(received) ? received.length : 0];
        }
        return seen;
      },
    },
    {
      title: 'the access log of all that',
      observe: (proxy) => logLines(proxy, '/at-the-end-of-the-log'),
    },
    {
      title: 'counters',
      observe: async (proxy) => {
        const { body } = await proxy.exchange('/stats?filter=rbac&usedonly', {
          port: 'ADMIN',
          host: 'localhost',
        });
        return body
          .split('\n')
          .filter((line) => line !== '')
          .sort();
      },
    },
    ...[
      'deny-role',
      'allow-role',
      'allow-not-role',
      'allow-inverted',
      'deny-inverted',
      'deny-present',
      'allow-absent',
      'allow-missing-as-empty',
      'deny-prefix',
      'deny-suffix',
      'deny-contains',
      'deny-regex',
      'allow-regex',
      'allow-not-regex',
      'deny-dot',
      'allow-range',
      'deny-umlaut',
      'deny-umlaut-regex',
    ].flatMap(roleRows),
  ],
};
