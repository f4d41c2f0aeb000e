import { eventually } from '../../support/eventually.js';
import { accessLog, answer, attempts, counters } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

/** How long a request may take at least and at most, so that a delay is seen without being measured. */
const SHORT_MS = 50;

const asked = (title: string, target: string, options: RequestOptions = {}): Row => ({
  title,
  observe: (proxy) => attempts(proxy, target, options),
});

/** What came back, and whether the answer waited. */
const timed = (title: string, target: string, waits: boolean, options: RequestOptions = {}): Row => ({
  title,
  observe: async (proxy) => {
    const before = performance.now();
    const seen = await attempts(proxy, target, options);
    const tookMs = performance.now() - before;
    return waits ? { seen, waited: tookMs >= SHORT_MS - 2 } : { seen };
  },
});

const GRPC: RequestOptions = { method: 'POST', headers: [['content-type', 'application/grpc']], body: '' };
const fields = (...headers: readonly (readonly [string, string])[]): RequestOptions => ({ headers });

/** The second comes while the first is delayed. */
async function twoAtOnce(proxy: RowContext): Promise<Observation> {
  const first = proxy.exchange('/active/one/first');
  await eventually(
    async () => (await counters(proxy, /^http\.http\.fault\.active_faults: 1$/)).length === 1,
    () => 'no fault is active',
  );
  const before = performance.now();
  const second = await proxy.exchange('/active/one/second');
  const waited = performance.now() - before >= 390;
  const statuses = [(await first).status, second.status];
  const lines = proxy
    .upstream('b1')
    .takeRecorded()
    .map(({ startLine }) => startLine.split(' ')[1] ?? '');
  return { statuses, waited, order: lines };
}

export const faults: ConformanceSuite = {
  file: '26-faults',
  upstreams: ['b1'],
  rows: [
    ...['503', '418', '200', '429', 'never', 'without-percentage', 'million'].map((what) =>
      asked(`abort: ${what}`, `/abort/${what}`),
    ),
    ...['unavailable', 'denied'].flatMap((what) => [
      asked(`abort with a status of gRPC: ${what}`, `/abort/grpc-${what}`),
      asked(`abort with a status of gRPC, asked by gRPC: ${what}`, `/abort/grpc-${what}`, GRPC),
    ]),
    asked('abort of a request by gRPC', '/abort/503', GRPC),
    asked('abort of a HEAD', '/abort/503', { method: 'HEAD' }),
    asked('abort of a request with a body', '/abort/503', { method: 'POST', body: 'a body' }),
    {
      title: 'what an abort looks like to the client',
      observe: (proxy) => proxy.request('/abort/503'),
    },
    {
      title: 'what an abort looks like to a client of gRPC',
      observe: (proxy) => proxy.request('/abort/grpc-unavailable', GRPC),
    },
    timed('delay', '/delay/short', true),
    timed('delay of a request with a body', '/delay/short', true, { method: 'POST', body: 'a body' }),
    timed('delay: never', '/delay/never', false),
    timed('delay without a percentage', '/delay/without-percentage', false),
    timed('delay beyond the timeout of the route', '/delay/beyond-timeout', true),
    timed('delay, then abort', '/delay/then-abort', true),
    timed('delay, then no abort', '/delay/then-no-abort', true),
    {
      title: 'a client that leaves during the delay',
      observe: async (proxy) => {
        await proxy.exchange('/active/one/leaves', { onWritten: (socket) => socket.end() }).catch(() => {});
        await eventually(
          async () => (await counters(proxy, /^http\.http\.fault\.active_faults: 0$/)).length === 1,
          () => 'the fault goes on',
        );
        return proxy.received();
      },
    },
    asked('by header: a status', '/header/abort', fields(['x-envoy-fault-abort-request', '418'])),
    asked('by header: a status of gRPC', '/header/abort', fields(['x-envoy-fault-abort-grpc-request', '5'])),
    asked('by header: both kinds', '/header/abort', {
      headers: [
        ['x-envoy-fault-abort-request', '418'],
        ['x-envoy-fault-abort-grpc-request', '5'],
      ],
    }),
    ...['100', '50', '0'].map((percentage) =>
      asked(`by header: ${percentage} of 0 in 100`, '/header/never', {
        headers: [
          ['x-envoy-fault-abort-request', '418'],
          ['x-envoy-fault-abort-request-percentage', percentage],
        ],
      }),
    ),
    asked('by header: none of them', '/header/abort', {
      headers: [
        ['x-envoy-fault-abort-request', '418'],
        ['x-envoy-fault-abort-request-percentage', '0'],
      ],
    }),
    ...['99', '600', 'soon', '', '-1'].map((value) =>
      asked(`by header: ${value === '' ? 'nothing' : value}`, '/header/abort', {
        headers: [['x-envoy-fault-abort-request', value]],
      }),
    ),
    asked('by header: no header', '/header/abort'),
    timed('by header: a delay', '/header/delay', true, fields(['x-envoy-fault-delay-request', '50'])),
    timed('by header: a delay of none', '/header/delay', false, {
      headers: [
        ['x-envoy-fault-delay-request', '5000'],
        ['x-envoy-fault-delay-request-percentage', '0'],
      ],
    }),
    timed('by header: a delay that is no number', '/header/delay', false, {
      headers: [['x-envoy-fault-delay-request', 'soon']],
    }),
    timed('by header: delay and abort', '/header/both', true, {
      headers: [
        ['x-envoy-fault-delay-request', '50'],
        ['x-envoy-fault-abort-request', '500'],
      ],
    }),
    asked('only for one user: this one', '/only/user', fields(['end-user', 'jason'])),
    asked('only for one user: another', '/only/user', fields(['end-user', 'eve'])),
    asked('only for one user: nobody', '/only/user'),
    asked('not for one user: this one', '/only/not-user', fields(['end-user', 'jason'])),
    asked('not for one user: another', '/only/not-user', fields(['end-user', 'eve'])),
    asked('only with two fields: both', '/only/two', fields(['end-user', 'eve'], ['x-canary', 'yes-1'])),
    asked('only with two fields: one', '/only/two', fields(['end-user', 'eve'])),
    asked('only for a path: this one', '/only/path/broken'),
    asked('only for a path: another', '/only/path/whole'),
    asked('only to a cluster: this one', '/only/cluster-b1'),
    asked('only to a cluster: another', '/only/cluster-b2'),
    asked('only from a node: this one', '/only/node', fields(['x-envoy-downstream-service-node', 'second'])),
    asked('only from a node: another', '/only/node', fields(['x-envoy-downstream-service-node', 'third'])),
    asked('only from a node: nobody', '/only/node'),
    asked('no fault may be active', '/active/none'),
    { title: 'one fault may be active', observe: twoAtOnce },
    asked('an abort is no failure to try again after', '/retried/abort'),
    {
      title: 'a failure after a delay is tried again, without a delay',
      observe: async (proxy) => {
        proxy.upstream('b1').replyWith(answer(503));
        return attempts(proxy, '/retried/delay');
      },
    },
    asked('a configuration that names no fault', '/untouched'),
    asked('a filter that is disabled', '/disabled'),
    asked('a wrapped configuration', '/wrapped'),
    asked('a direct response', '/direct'),
    asked('a redirect', '/redirected'),
    asked('of a weighted cluster', '/weighted'),
    asked('no configuration at all', '/plain'),
    asked('of the virtual host', '/inherited', { host: 'of-host.example' }),
    asked('of the route rather than of the virtual host', '/own', { host: 'of-host.example' }),
    asked('of the listener', '/inherited', { port: 'EVERYWHERE' }),
    asked('of the route rather than of the listener', '/own', { port: 'EVERYWHERE' }),
    asked('of the route, which wants none', '/nothing', { port: 'EVERYWHERE' }),
    { title: 'what each of these is in the access log', observe: accessLog },
    {
      title: 'what is counted',
      observe: (proxy) =>
        counters(proxy, /^http\.\w+\.fault\.(?!response_rl)\w+: |^cluster\.b1\.upstream_rq_total: /),
    },
  ],
};
