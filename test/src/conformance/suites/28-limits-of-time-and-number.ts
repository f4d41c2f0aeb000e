import { eventually } from '../../support/eventually.js';
import type { UpstreamReply } from '../../support/recording-upstream.js';
import { accessLog, answer, attempts, counters } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RawOptions, RequestOptions, RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';

/** One request to b1, that answers in this order, then plainly. */
const told = (
  title: string,
  target: string,
  replies: readonly UpstreamReply[],
  options: RequestOptions = {},
): Row => ({
  title,
  observe: (proxy) => {
    proxy.upstream('b1').replyWith(...replies);
    return attempts(proxy, target, options);
  },
});

/** These bytes instead, of which the last are never sent. */
const unfinished = (
  title: string,
  target: string,
  replies: readonly UpstreamReply[],
  options: RawOptions = {},
): Row => ({
  title,
  observe: (proxy) => {
    proxy.upstream('b1').replyWith(...replies);
    const head = `POST ${target} HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n`;
    return proxy.raw(`${head}abc`, options);
  },
});

/** The first connection ends within the body, whose rest is sent once there is a second one. */
async function endsWhileSent(proxy: RowContext, target: string): Promise<Observation> {
  const upstream = proxy.upstream('b1');
  upstream.replyWith({ at: 'head', then: 'reset' });
  const twice = upstream.connections + 2;
  const head = `POST ${target} HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n`;
  return proxy.raw(`${head}abc`, {
    onWritten: (socket) => {
      const rest = eventually(
        () => socket.destroyed || upstream.connections >= twice,
        () => 'neither an answer nor another attempt',
      );
      void rest.then(() => socket.write('defghij'));
    },
  });
}

/** Requests that b1 holds, and what one more meets meanwhile. Each of those held is answered 200 at the end. */
async function beside(
  proxy: RowContext,
  target: string,
  held: readonly string[],
  replies: readonly UpstreamReply[] = [],
): Promise<Observation> {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const upstream = proxy.upstream('b1');
  const first: Promise<{ readonly status: number }>[] = [];
  for (const one of held) {
    const arrived = upstream.takeRecorded().length;
    upstream.replyWith(...replies, { bytes: 'default', after: gate });
    first.push(proxy.exchange(one));
    let seen = arrived;
    await eventually(
      () => (seen += upstream.takeRecorded().length) > replies.length,
      () => `${one} did not reach the upstream`,
    );
  }
  upstream.replyWith(...replies);
  const refused = await attempts(proxy, target);
  release();
  const served = (await Promise.all(first)).map(({ status }) => status);
  proxy.received();
  return { refused, served };
}

/** A second request while the first is held: it waits, and both are served. */
async function waits(proxy: RowContext, target: string, cluster: string): Promise<Observation> {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  proxy.upstream('b1').replyWith({ bytes: 'default', after: gate });
  const first = proxy.exchange(`${target}/first`);
  const stat = new RegExp(`^cluster\\.${cluster}\\.upstream_rq_(active|pending_active): `);
  const shows = (wanted: readonly string[]): Promise<void> =>
    eventually(
      async () => (await counters(proxy, stat)).map((line) => line.split(': ')[1]).join() === wanted.join(),
      () => `${cluster} never had ${wanted.join()}`,
    );
  await shows(['1', '0']);
  const second = proxy.exchange(`${target}/second`);
  await shows(['1', '1']);
  release();
  const statuses = [(await first).status, (await second).status];
  return { statuses, ...(await order(proxy)) };
}

async function order(proxy: RowContext): Promise<{ readonly order: readonly string[] }> {
  const lines = proxy.upstream('b1').takeRecorded();
  return { order: lines.map(({ startLine }) => startLine.split(' ')[1] ?? '') };
}

/** So many requests one after the other, and the connections that b2 got for them. */
async function connections(
  proxy: RowContext,
  target: string,
  requests: number,
  pauseMs = 0,
): Promise<Observation> {
  const upstream = proxy.upstream('b2');
  const before = upstream.connections;
  const statuses: number[] = [];
  for (let i = 0; i < requests; i++) {
    statuses.push((await proxy.exchange(target)).status);
    if (pauseMs > 0) await gone(upstream);
  }
  proxy.received();
  return { statuses, connections: upstream.connections - before };
}

async function gone(upstream: { readonly openConnections: number }): Promise<void> {
  await eventually(
    () => upstream.openConnections === 0,
    () => 'the connection stays open',
  );
}

/** All hosts fail: which are asked, whatever their order. */
async function allFail(proxy: RowContext, target: string): Promise<Observation> {
  const names = ['b1', 'b2', 'b3'];
  for (const name of names) proxy.upstream(name).replyWith(answer(503), answer(503));
  const { status } = await proxy.exchange(target);
  const asked = names.map((name) => proxy.upstream(name).takeRecorded().length);
  return { status, asked: asked.sort() };
}

const STALLS: UpstreamReply = {};
const HEAD_THEN_STALLS: UpstreamReply = { bytes: `${HEAD}abc` };
const POST: RequestOptions = { method: 'POST', body: 'a body' };

/** Where a connection may end. */
const ENDS: readonly (readonly [where: string, reply: UpstreamReply])[] = [
  ['before anything', { then: 'reset' }],
  ['within the status line', { bytes: 'HTTP/1.1 20', then: 'reset' }],
  ['within the head', { bytes: 'HTTP/1.1 200 OK\r\nContent-', then: 'end' }],
  ['after 100', { bytes: 'HTTP/1.1 100 Continue\r\n\r\n', then: 'end' }],
  ['after the head', { bytes: HEAD, then: 'end' }],
  ['within the body', { bytes: `${HEAD}abc`, then: 'end' }],
  ['within a chunk', { bytes: `${CHUNKED}a\r\nabc`, then: 'end' }],
  ['between chunks', { bytes: CHUNKED, then: 'end' }],
  ['after a bad chunk', { bytes: `${CHUNKED}zz\r\n`, then: 'end' }],
  ['at the end of the answer', { ...answer(200), then: 'end' }],
];
const CONDITIONS = ['without', 'reset', '5xx', 'connect-failure', 'reset-before-request'];

export const limitsOfTimeAndNumber: ConformanceSuite = {
  file: '28-limits-of-time-and-number',
  upstreams: ['b1', 'b2', 'b3'],
  rows: [
    ...['pending-none', 'requests-none'].map((name) => told(`breaker: ${name}`, `/breaker/${name}`, [])),
    {
      title: 'breaker: one connection, the next request waits',
      observe: (proxy) => waits(proxy, '/breaker/connections-one', 'connections-one'),
    },
    {
      title: 'breaker: one request beside another',
      observe: (proxy) => beside(proxy, '/breaker/requests-one', ['/breaker/requests-one']),
    },
    {
      title: 'breaker: a request of high priority beside one of default priority',
      observe: (proxy) => beside(proxy, '/breaker/priority/high', ['/breaker/priority/default']),
    },
    {
      title: 'breaker: a request of default priority beside one of high priority',
      observe: (proxy) => beside(proxy, '/breaker/priority/default', ['/breaker/priority/high']),
    },
    {
      title: 'breaker: a second request of default priority',
      observe: (proxy) => beside(proxy, '/breaker/priority/default', ['/breaker/priority/default']),
    },
    {
      title: 'breaker: a third request of high priority',
      observe: (proxy) =>
        beside(proxy, '/breaker/priority/high', ['/breaker/priority/high', '/breaker/priority/high']),
    },
    {
      title: 'breaker: what it refuses is not tried again',
      observe: (proxy) => beside(proxy, '/breaker/overflow-retried', ['/breaker/overflow-retried']),
    },
    ...['retries-one', 'budget-one', 'budget-and-retries'].map((name): Row => ({
      title: `breaker: a second retry beside one: ${name}`,
      observe: (proxy) => beside(proxy, `/breaker/${name}`, [`/breaker/${name}`], [answer(503)]),
    })),
    ...['retries-one', 'budget-one', 'budget-half', 'budget-and-retries'].map((name) =>
      told(`breaker: one retry: ${name}`, `/breaker/${name}`, [answer(503)]),
    ),

    told('the route’s timeout: nothing comes', '/timeout/route', [STALLS]),
    told('the route’s timeout: nothing comes, to HEAD', '/timeout/route', [STALLS], { method: 'HEAD' }),
    told('the route’s timeout: a body that stalls', '/timeout/route', [HEAD_THEN_STALLS]),
    told('the route’s timeout: an answer in time', '/timeout/route', []),
    told('the route’s timeout: a body was sent', '/timeout/route', [STALLS], POST),
    told('idle: nothing comes', '/timeout/idle', [STALLS]),
    told('idle: a body that stalls', '/timeout/idle', [HEAD_THEN_STALLS]),
    unfinished('idle: a request that stalls', '/timeout/idle', []),
    told('duration: nothing comes', '/timeout/duration', [STALLS]),
    told('duration: a body that stalls', '/timeout/duration', [HEAD_THEN_STALLS]),
    unfinished('duration: a request that stalls', '/timeout/duration', []),
    told('duration to the upstream: nothing comes', '/timeout/cluster-duration', [STALLS]),
    told('duration to the upstream: a body that stalls', '/timeout/cluster-duration', [HEAD_THEN_STALLS]),
    told('duration to the upstream, tried again', '/timeout/cluster-duration-retried', [STALLS]),
    ...['reset', 'gateway-error', 'connect-failure', 'status-504', 'none'].map((condition) =>
      told(`a try that takes too long, with ${condition}`, `/timeout/retried/${condition}`, [STALLS]),
    ),
    told('idle, of the listener: nothing comes', '/', [STALLS], { port: 'BOUNDED_IDLE' }),
    told('idle, of the listener: a body that stalls', '/', [HEAD_THEN_STALLS], { port: 'BOUNDED_IDLE' }),
    unfinished('idle, of the listener: a request that stalls', '/', [], { port: 'BOUNDED_IDLE' }),
    told('time for the request: nothing comes', '/', [{ bytes: 'default' }], { port: 'BOUNDED_REQUEST' }),
    unfinished('time for the request: it stalls', '/', [], { port: 'BOUNDED_REQUEST' }),
    {
      title: 'time for the head: it stalls',
      observe: (proxy) => proxy.raw('GET / HTTP/1.1\r\nHost: e', { port: 'BOUNDED_HEADERS' }),
    },
    told('duration, of the listener: nothing comes', '/', [STALLS], { port: 'BOUNDED_DURATION' }),
    told('duration, of the listener: a body that stalls', '/', [HEAD_THEN_STALLS], {
      port: 'BOUNDED_DURATION',
    }),
    unfinished('duration, of the listener: a request that stalls', '/', [], { port: 'BOUNDED_DURATION' }),
    {
      title: 'duration of a connection: one that is idle is closed',
      observe: async (proxy) => {
        const { exchange, status } = await proxy.exchange('/', {
          port: 'BOUNDED_CONNECTION',
          untilClosed: true,
        });
        proxy.received();
        return { status, closed: exchange.closed };
      },
    },

    ...CONDITIONS.flatMap((condition) =>
      ENDS.map(([where, reply]): Row => ({
        title: `ends ${where}, retried on ${condition}`,
        observe: async (proxy) => {
          proxy.upstream('b1').replyWith(reply);
          const seen = await attempts(proxy, `/ends/${condition}/${where.replaceAll(' ', '-')}`);
          // How much of a body that broke off is passed on before that is seen depends on reads.
          return seen['closed'] === true ? { ...seen, body: null } : seen;
        },
      })),
    ),
    ...CONDITIONS.flatMap((condition) => [
      {
        title: `ends while the body is sent, retried on ${condition}`,
        observe: (proxy) => endsWhileSent(proxy, `/ends/${condition}/while-sent`),
      } satisfies Row,
      told(
        `ends before anything, with a body, retried on ${condition}`,
        `/ends/${condition}/with-body`,
        [{ then: 'reset' }],
        POST,
      ),
    ]),

    { title: 'a connection is kept', observe: (proxy) => connections(proxy, '/connections/kept', 4) },
    {
      title: 'two requests for a connection',
      observe: (proxy) => connections(proxy, '/connections/two-requests', 4),
    },
    {
      title: 'a connection that was idle for too long',
      observe: async (proxy) => {
        await connections(proxy, '/connections/short-idle', 1);
        return connections(proxy, '/connections/short-idle', 2);
      },
    },
    ...[
      ['as many tries as hosts', '/hosts/all'],
      ['more tries than hosts', '/hosts/more'],
    ].map(([title = '', target = '']): Row => ({ title, observe: (proxy) => allFail(proxy, target) })),
    ...['refused', 'istio'].map((name): Row => ({
      title: `one of two hosts refuses connections: ${name}`,
      observe: async (proxy) => {
        const statuses: number[] = [];
        for (let i = 0; i < 6; i++) statuses.push((await proxy.exchange(`/hosts/${name}`)).status);
        return { statuses, ...(await order(proxy)) };
      },
    })),
    told('the virtual host’s policy', '/inherited', [answer(500), answer(500)], { host: 'of-host.example' }),
    told('the route’s own policy', '/own', [answer(500)], { host: 'of-host.example' }),
    told('the route’s own policy, which retries', '/own', [answer(503)], { host: 'of-host.example' }),
    told('the route’s own policy, which names nothing', '/off', [answer(503)], { host: 'of-host.example' }),

    {
      title: 'what each of these is in the access log',
      // Which of two hosts is asked first is left to each proxy.
      observe: async (proxy) =>
        (await accessLog(proxy)).map((line) => line.replace(/^(GET \/hosts\/(refused|istio) .*) \d$/, '$1')),
    },
    {
      title: 'what is counted',
      observe: (proxy) =>
        counters(
          proxy,
          /^cluster\.(?!one-refuses)[\w-]+\.(upstream_rq_(retry\w*|per_try\w*|timeout|completed|total|pending_overflow|max_duration_reached)|upstream_cx_(overflow|pool_overflow)|upstream_rq_active_overflow): [1-9]/,
        ),
    },
  ],
};
