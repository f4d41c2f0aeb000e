import type { UpstreamReply } from '../../support/recording-upstream.js';
import { accessLog, answer, attempts, counters } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

/** What an upstream does, by the last part of the path. */
const BEHAVIOURS: Readonly<Record<string, UpstreamReply>> = {
  '200': answer(200),
  '404': answer(404),
  '409': answer(409),
  '418': answer(418),
  '425': answer(425),
  '500': answer(500),
  '503': answer(503),
  '504': answer(504),
  'rate-limited': answer(503, 'x-envoy-ratelimited: true'),
  'with-header': answer(200, 'X-Again: please'),
  'with-other-header': answer(200, 'X-Again: no'),
  'grpc-1': answer(200, 'grpc-status: 1'),
  'grpc-4': answer(200, 'grpc-status: 4'),
  'grpc-8': answer(200, 'grpc-status: 8'),
  'grpc-13': answer(200, 'grpc-status: 13'),
  'grpc-14': answer(200, 'grpc-status: 14'),
  closes: { then: 'end' },
  resets: { then: 'reset' },
  'breaks-off': { bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', then: 'end' },
  'speaks-nonsense': { bytes: 'nonsense\r\n\r\n', then: 'end' },
};

const ON_ANSWERS = ['404', '409', '418', '425', '500', '503', '504', 'rate-limited'];
const ON_HEADERS = ['with-header', 'with-other-header', '503', 'rate-limited'];
const ON_GRPC = ['grpc-1', 'grpc-4', 'grpc-8', 'grpc-13', 'grpc-14', '503'];
const ON_ENDS = ['closes', 'resets', 'breaks-off', 'speaks-nonsense', 'says-nothing'];

const MATRIX: readonly (readonly [condition: string, behaviours: readonly string[]])[] = [
  ['5xx', [...ON_ANSWERS, ...ON_ENDS]],
  ['gateway-error', [...ON_ANSWERS, ...ON_ENDS]],
  ['reset', ['503', ...ON_ENDS]],
  ['reset-before-request', ['503', ...ON_ENDS]],
  ['connect-failure', ['503', 'closes', 'resets', 'says-nothing']],
  ['envoy-ratelimited', ['503', 'rate-limited', 'closes']],
  ['retriable-4xx', ['404', '409', '503', 'rate-limited', 'resets']],
  ['refused-stream', ['503', 'resets', 'says-nothing']],
  ['retriable-status-codes', [...ON_ANSWERS, 'closes']],
  ['retriable-headers', ON_HEADERS],
  ['cancelled', ON_GRPC],
  ['deadline-exceeded', ON_GRPC],
  ['internal', ON_GRPC],
  ['resource-exhausted', ON_GRPC],
  ['unavailable', [...ON_GRPC, 'resets']],
];

function scripted(proxy: RowContext, name: string, ...behaviours: readonly string[]): void {
  proxy.upstream(name).replyWith(...behaviours.map((behaviour) => BEHAVIOURS[behaviour] ?? {}));
}

/** Twice the same, with one retry. */
const conditionRows = MATRIX.flatMap(([condition, behaviours]) =>
  behaviours.map((behaviour): Row => ({
    title: `${condition}: ${behaviour}`,
    observe: (proxy) => {
      scripted(proxy, 'b1', behaviour, behaviour);
      return attempts(proxy, `/on/${condition}/${behaviour}`);
    },
  })),
);

const refusedRows = ['connect-failure', '5xx', 'reset', 'reset-before-request', 'refused-stream'].map(
  (condition): Row => ({
    title: `${condition}: a connection refused`,
    observe: (proxy) => attempts(proxy, `/refused/${condition}`),
  }),
);

/** One request to b1, that answers in this order, then 200. */
const told = (
  title: string,
  target: string,
  behaviours: readonly string[],
  options: RequestOptions = {},
): Row => ({
  title,
  observe: (proxy) => {
    scripted(proxy, 'b1', ...behaviours, '200');
    return attempts(proxy, target, options);
  },
});

const POST: RequestOptions = { method: 'POST', body: 'a body' };

export const retries: ConformanceSuite = {
  file: '22-retries',
  upstreams: ['b1', 'b2'],
  rows: [
    ...conditionRows,
    ...refusedRows,
    told('the second attempt is served', '/twice/second', ['503']),
    told('the third attempt is served', '/twice/third', ['503', 'resets']),
    told('more failures than attempts', '/twice/fourth', ['503', 'resets', 'closes']),
    told('a body is sent with every attempt', '/twice/body', ['503', 'resets'], POST),
    {
      title: 'chunks are sent with every attempt',
      observe: (proxy) => {
        scripted(proxy, 'b1', '503', '200');
        const head = 'POST /twice/chunks HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n';
        return proxy.raw(`${head}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n`);
      },
    },
    told('a retry that ends in another failure', '/twice/mixed', ['503', '500', '404']),
    told('no retries', '/never', ['503']),
    told('one retry is the default', '/default-count', ['503', '503']),
    told('a condition that nobody knows', '/unknown-word/500', ['500']),
    told('a condition beside one that nobody knows', '/unknown-word/503', ['503']),
    told('a request that may not be retried', '/by-request/not', ['503']),
    told('a request that may be retried', '/by-request/may', ['503'], { headers: [['x-may-retry', '']] }),
    told('a caller that nobody trusts asks for retries', '/never/asked', ['503'], {
      headers: [
        ['x-envoy-retry-on', '5xx'],
        ['x-envoy-max-retries', '3'],
      ],
    }),
    told('an attempt that is too slow', '/per-try/once', ['says-nothing']),
    told('every attempt is too slow', '/per-try/always', ['says-nothing', 'says-nothing']),
    told('a timeout of attempts beyond that of the request', '/per-try-beyond', ['says-nothing']),
    told('an attempt that falls silent', '/per-try-idle/once', ['says-nothing']),
    told('every attempt falls silent', '/per-try-idle/always', ['says-nothing', 'says-nothing']),
    told('the time of the request is up before its retries are', '/whole', [
      'says-nothing',
      'says-nothing',
      'says-nothing',
    ]),
    {
      title: 'the time of the request is up while a retry waits',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith(answer(503, 'Retry-After: 30'));
        return attempts(proxy, '/back-off/waits');
      },
    },
    {
      title: 'a wait that is longer than the bound is not heeded',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith(answer(503, 'Retry-After: 61'));
        return attempts(proxy, '/back-off/too-long');
      },
    },
    {
      title: 'the host that failed is avoided',
      observe: async (proxy) => {
        const seen: Observation[] = [];
        for (let i = 0; i < 4; i++) {
          for (const name of ['b1', 'b2']) proxy.upstream(name).replyWith(answer(503));
          const { status } = await proxy.exchange(`/previous/${i}`);
          const went = ['b1', 'b2'].flatMap((name) =>
            proxy
              .upstream(name)
              .takeRecorded()
              .map(() => name),
          );
          seen.push({ status, went });
          for (const name of ['b1', 'b2']) proxy.upstream(name).forgetReplies();
        }
        return seen;
      },
    },
    told('a body within what is kept', '/small-buffer/within', ['503'], {
      method: 'POST',
      body: '0123456789',
    }),
    told('a body beyond what is kept', '/small-buffer/beyond', ['503'], {
      method: 'POST',
      body: '0123456789a',
    }),
    told('no retry may be under way', '/breaker', ['503']),
    told('no budget for retries', '/budget', ['503']),
    told('attempts are counted for upstream and client', '/counted/answered', ['503'], {
      host: 'counted.example',
    }),
    {
      title: 'what is told of each attempt',
      observe: (proxy) => {
        scripted(proxy, 'b1', 'says-nothing', '200');
        return proxy.request('/counted/slow', { host: 'counted.example' });
      },
    },
    {
      title: 'what is told of an attempt that failed',
      observe: (proxy) => {
        scripted(proxy, 'b1', 'resets', 'resets');
        return proxy.request('/counted/failed', { host: 'counted.example' });
      },
    },
    { title: 'what each of these is in the access log', observe: accessLog },
    { title: 'what is counted', observe: (proxy) => counters(proxy, COUNTED) },
  ],
};

const COUNTED =
  /^cluster\.\w+\.(retry\.\S+|upstream_rq_(retry\w*|per_try\w*|timeout|cancelled|completed|total|[1-5]\w+)|retry_or_shadow_abandoned|circuit_breakers\.default\.rq_retry_open): [1-9]/;
