import type { ConformanceSuite } from '../conformance-suite.js';

type Fields = readonly (readonly [string, string])[];
const CLIENTS: readonly (readonly [string, Fields])[] = [
  ['nothing', []],
  ['one address', [['x-forwarded-for', '203.0.113.7']]],
  ['two addresses', [['x-forwarded-for', '203.0.113.7, 10.0.0.2']]],
  ['an address of a private network', [['x-forwarded-for', '10.1.2.3']]],
  ['no address at all', [['x-forwarded-for', 'unknown']]],
  [
    'two fields',
    [
      ['x-forwarded-for', '203.0.113.7'],
      ['x-forwarded-for', '203.0.113.8'],
    ],
  ],
  ['https', [['x-forwarded-proto', 'https']]],
  ['an odd scheme', [['x-forwarded-proto', 'gopher']]],
  ['HTTPS in capitals', [['x-forwarded-proto', 'HTTPS']]],
  [
    'internal headers',
    [
      ['x-envoy-internal', 'true'],
      ['x-envoy-external-address', '1.2.3.4'],
      ['x-envoy-upstream-rq-timeout-ms', '9999'],
      ['x-envoy-max-retries', '3'],
      ['x-envoy-retry-on', '5xx'],
      ['x-envoy-expected-rq-timeout-ms', '1'],
      ['x-envoy-original-path', '/x'],
      ['x-envoy-decorator-operation', 'op'],
      ['x-envoy-downstream-service-cluster', 'c'],
      ['x-envoy-force-trace', 'true'],
      ['x-envoy-ip-tags', 'x'],
      ['x-envoy-hedge-on-per-try-timeout', 'true'],
      ['x-envoy-attempt-count', '4'],
    ],
  ],
  [
    'internal headers from outside',
    [
      ['x-forwarded-for', '203.0.113.7'],
      ['x-envoy-internal', 'true'],
      ['x-envoy-upstream-rq-timeout-ms', '9999'],
      ['x-envoy-retry-on', '5xx'],
    ],
  ],
  ['a request id', [['x-request-id', 'my-own-id']]],
  ['a client certificate of its own making', [['x-forwarded-client-cert', 'By=spiffe://x;URI=spiffe://y']]],
  [
    'host and port forwarded',
    [
      ['x-forwarded-host', 'h.test'],
      ['x-forwarded-port', '1234'],
    ],
  ],
  [
    'W3C trace context',
    [
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      ['tracestate', 'a=b'],
    ],
  ],
];
const LISTENERS = ['HTTP', 'EDGE', 'EDGE1', 'INNER1', 'SKIP', 'IDS', 'NOIDS', 'NETWORKS'];

export const forwarded: ConformanceSuite = {
  file: '14-forwarded',
  upstreams: ['b1'],
  rows: LISTENERS.flatMap((port) =>
    CLIENTS.map(([what, headers]) => ({
      title: `${port}: ${what}`,
      observe: (proxy) => proxy.request('/', { port, headers }),
    })),
  ),
};
