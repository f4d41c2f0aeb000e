import type { UpstreamReply } from '../../support/recording-upstream.js';
import { accessLog, answer, attempts } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';

type Row = ConformanceSuite['rows'][number];
type Fields = readonly (readonly [name: string, value: string])[];

const FORWARDED_FOR: readonly (readonly [what: string, value: string | undefined])[] = [
  ['nobody forwarded it', undefined],
  ['one internal address', '10.1.2.3'],
  ['one internal address of IPv6', 'fd00::7'],
  ['one address with spaces around it', ' 10.1.2.3 '],
  ['one external address', '203.0.113.7'],
  ['two addresses, the last internal', '203.0.113.7, 10.0.0.2'],
  ['two internal addresses', '10.0.0.1,10.0.0.2'],
  ['no address', 'unknown'],
];
const LISTENERS = ['HTTP', 'EDGE1', 'INNER', 'INNER1', 'OTHERS', 'NOBODY'];

/** All fields that are for callers from within; none of them changes how this request ends. */
const INTERNAL_FIELDS: Fields = [
  ['x-envoy-internal', 'false'],
  ['x-envoy-external-address', '1.2.3.4'],
  ['x-envoy-upstream-rq-timeout-ms', '9999'],
  ['x-envoy-upstream-rq-per-try-timeout-ms', '9000'],
  ['x-envoy-upstream-rq-timeout-alt-response', '1'],
  ['x-envoy-upstream-alt-stat-name', 'other'],
  ['x-envoy-max-retries', '3'],
  ['x-envoy-retry-on', '5xx'],
  ['x-envoy-retry-grpc-on', 'cancelled'],
  ['x-envoy-retriable-status-codes', '418'],
  ['x-envoy-retriable-header-names', 'x-again'],
  ['x-envoy-hedge-on-per-try-timeout', 'false'],
  ['x-envoy-expected-rq-timeout-ms', '1'],
  ['x-envoy-original-path', '/x'],
  ['x-envoy-decorator-operation', 'op'],
  ['x-envoy-downstream-service-cluster', 'c'],
  ['x-envoy-ip-tags', 'x'],
  ['x-envoy-attempt-count', '4'],
  ['x-ours', 'for ourselves'],
  ['x-request-id', 'my-own-id'],
];

const callerRows = LISTENERS.flatMap((port) =>
  FORWARDED_FOR.map(([what, value]): Row => ({
    title: `${port}: ${what}`,
    observe: (proxy) =>
      proxy.request('/', {
        port,
        headers: [...(value === undefined ? [] : [['x-forwarded-for', value] as const]), ...INTERNAL_FIELDS],
      }),
  })),
);

/** Where the configuration names no addresses, but is there. */
const privateRows = [
  ...['10.255.0.1', '172.16.0.1', '172.31.255.255', '172.32.0.1', '192.168.1.1', '192.169.1.1', '127.0.0.1'],
  ...[
    '127.0.0.2',
    '100.64.0.1',
    '169.254.1.1',
    '::1',
    '::ffff:10.0.0.1',
    'fd00::7',
    'fc00::7',
    'fe80::1',
    '2001:db8::1',
  ],
].map((address): Row => ({
  title: `PRIVATE: ${address}`,
  observe: (proxy) => proxy.request('/', { port: 'PRIVATE', headers: [['x-forwarded-for', address]] }),
}));

const BEHAVIOURS: Readonly<Record<string, UpstreamReply>> = {
  '200': answer(200),
  '418': answer(418),
  '500': answer(500),
  '503': answer(503),
  'grpc-1': answer(200, 'grpc-status: 1'),
  'with-header': answer(200, 'X-Again: please'),
  resets: { then: 'reset' },
};

/** One request to b1, which answers in this order, then 200. */
const asks = (
  what: string,
  fields: Fields,
  behaviours: readonly string[],
  target = `/${what.replaceAll(' ', '-')}`,
  port = 'HTTP',
): Row => ({
  title: `${port} ${target}: ${what}`,
  observe: (proxy) => {
    proxy.upstream('b1').replyWith(...[...behaviours, '200'].map((name) => BEHAVIOURS[name] ?? {}));
    return attempts(proxy, target, { port, headers: fields });
  },
});

const RETRY_5XX: Fields = [['x-envoy-retry-on', '5xx']];
const count = (value: string): Fields => [...RETRY_5XX, ['x-envoy-max-retries', value]];
const timeout = (value: string): Fields => [['x-envoy-upstream-rq-timeout-ms', value]];
const perTry = (value: string): Fields => [['x-envoy-upstream-rq-per-try-timeout-ms', value]];

const retryRows: readonly Row[] = [
  asks('nothing is asked for', [], ['503']),
  asks('one retry', RETRY_5XX, ['503']),
  asks('one retry is the default', RETRY_5XX, ['503', '503']),
  asks('three retries', count('3'), ['503', '503', 'resets']),
  asks('none', count('0'), ['503']),
  asks('a count that is no number', count('many'), ['503', '503']),
  asks('a count alone', [['x-envoy-max-retries', '3']], ['503']),
  asks('several conditions', [['x-envoy-retry-on', 'reset, gateway-error']], ['503', 'resets']),
  asks('a condition that nobody knows', [['x-envoy-retry-on', 'moon']], ['503']),
  asks('a condition of gRPC in the other field', [['x-envoy-retry-on', 'cancelled']], ['grpc-1']),
  asks('a condition of gRPC', [['x-envoy-retry-grpc-on', 'cancelled']], ['grpc-1']),
  asks(
    'statuses',
    [
      ['x-envoy-retry-on', 'retriable-status-codes'],
      ['x-envoy-retriable-status-codes', '404, 418'],
    ],
    ['418'],
  ),
  asks(
    'statuses that are none',
    [
      ['x-envoy-retry-on', 'retriable-status-codes'],
      ['x-envoy-retriable-status-codes', 'x,,418 '],
    ],
    ['418'],
  ),
  asks(
    'names of fields',
    [
      ['x-envoy-retry-on', 'retriable-headers'],
      ['x-envoy-retriable-header-names', 'X-Again, x-other'],
    ],
    ['with-header'],
  ),
  asks('more than the policy of the route', RETRY_5XX, ['503'], '/policy/more'),
  asks(
    'more statuses than the policy of the route',
    [['x-envoy-retriable-status-codes', '500']],
    ['500'],
    '/policy/statuses',
  ),
  asks(
    'more attempts than the policy of the route',
    [['x-envoy-max-retries', '2']],
    ['418', '418'],
    '/policy/attempts',
  ),
  asks('no attempt of the policy of the route', [['x-envoy-max-retries', '0']], ['418'], '/policy/none'),
  asks('an outsider', count('3'), ['503'], '/outsider', 'OTHERS'),
  asks('nobody is internal', count('3'), ['503'], '/nobody', 'NOBODY'),
  asks(
    'a caller that the proxy before told of',
    [['x-forwarded-for', '10.1.2.3'], ...count('3')],
    ['503', '503'],
    '/told',
    'INNER',
  ),
  asks(
    'an outsider that the proxy before told of',
    [['x-forwarded-for', '203.0.113.7'], ...count('3')],
    ['503'],
    '/told',
    'INNER',
  ),
  asks('a caller without the fields of Envoy', count('2'), ['503'], '/silent', 'SILENT'),
];

const SILENCE = 'says-nothing';
const timeoutRows: readonly Row[] = [
  asks('the timeout of the route', [], [SILENCE]),
  asks('a shorter timeout', timeout('150'), [SILENCE]),
  asks('a timeout that is no number', timeout('soon'), [SILENCE]),
  asks('a timeout of each attempt', [...count('1'), ...perTry('150')], [SILENCE]),
  asks('a timeout of each attempt in vain', [...count('1'), ...perTry('150')], [SILENCE, SILENCE]),
  asks('a timeout of attempts beyond that of the request', [...count('1'), ...perTry('700')], [SILENCE]),
  asks(
    'a longer timeout of attempts than that of the route',
    perTry('400'),
    [SILENCE],
    '/slow-policy/longer',
  ),
  asks(
    'an answer without a body in its place',
    [...timeout('150'), ['x-envoy-upstream-rq-timeout-alt-response', '1']],
    [SILENCE],
  ),
  asks(
    'the same for each attempt',
    [...perTry('150'), ['x-envoy-upstream-rq-timeout-alt-response', '1']],
    [SILENCE],
    '/slow-policy/alternative',
  ),
  asks(
    'an outsider asks for an answer without a body',
    [...timeout('150'), ['x-envoy-upstream-rq-timeout-alt-response', '1']],
    [SILENCE],
    '/outside',
    'OTHERS',
  ),
  asks(
    'what the proxy before expects does not count',
    [['x-envoy-expected-rq-timeout-ms', '150']],
    [SILENCE],
    '/expected',
  ),
  asks(
    'what the proxy before expects',
    [['x-envoy-expected-rq-timeout-ms', '150']],
    [SILENCE],
    '/expected',
    'RESPECTFUL',
  ),
  asks(
    'what the proxy before expects, which is no number',
    [['x-envoy-expected-rq-timeout-ms', 'x'], ...timeout('150')],
    [SILENCE],
    '/expected/no-number',
    'RESPECTFUL',
  ),
  asks(
    'what the proxy before expects, against what was asked for',
    [['x-envoy-expected-rq-timeout-ms', '150'], ...timeout('400')],
    [SILENCE],
    '/expected/both',
    'RESPECTFUL',
  ),
];

/** What the upstream is told, and what the caller is. */
const toldRows: readonly Row[] = (
  [
    ['HTTP', []],
    ['HTTP', timeout('450')],
    ['HTTP', [...timeout('450'), ...perTry('300')]],
    ['HTTP', timeout('0')],
    ['SILENT', timeout('450')],
    ['RESPECTFUL', []],
    ['RESPECTFUL', [['x-envoy-expected-rq-timeout-ms', '450']]],
    ['RESPECTFUL', [['x-envoy-expected-rq-timeout-ms', '450'], ...timeout('300')]],
  ] as const
).map(([port, fields]): Row => ({
  title: `${port}: what is told of ${fields.map(([name, value]) => `${name} ${value}`).join(', ') || 'nothing'}`,
  observe: (proxy) => proxy.request('/told', { port, headers: fields as Fields }),
}));

const tlsRows: readonly Row[] = ['HTTP', 'OTHERS', 'NOBODY'].map((port) => ({
  title: `${port}: a host that only callers from within get without TLS`,
  observe: (proxy) => proxy.request('/', { port, host: 'guarded.example' }),
}));

export const internalRequests: ConformanceSuite = {
  file: '35-internal-requests',
  upstreams: ['b1'],
  rows: [
    ...callerRows,
    ...privateRows,
    ...retryRows,
    ...timeoutRows,
    ...toldRows,
    ...tlsRows,
    { title: 'what each of these is in the access log', observe: accessLog },
  ],
};
