import { readFile } from 'node:fs/promises';
import { eventually } from '../../support/eventually.js';
import { accessLog, counters } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

const plan = (name: string): RequestOptions => ({ headers: [['x-plan', name]] });
const GRPC: RequestOptions = { method: 'POST', headers: [['content-type', 'application/grpc']], body: '' };

/** What each of some requests is answered with, one after the other. */
function each(title: string, target: string, ...requests: readonly RequestOptions[]): Row {
  return {
    title,
    observe: async (proxy) => {
      const seen: Observation[] = [];
      for (const options of requests) seen.push((await proxy.exchange(target, options)).status);
      proxy.received();
      return seen;
    },
  };
}

/** The whole of the last of some requests. */
function last(title: string, target: string, ...requests: readonly RequestOptions[]): Row {
  return {
    title,
    observe: async (proxy) => {
      for (const options of requests.slice(0, -1)) await proxy.exchange(target, options);
      proxy.received();
      return proxy.request(target, requests.at(-1));
    },
  };
}

/** Two requests on each of two connections. */
async function twoConnections(proxy: RowContext): Promise<Observation> {
  const seen: Observation[] = [];
  for (let i = 0; i < 2; i++) {
    const { exchange } = await proxy.exchange('/connection/', {
      answers: 2,
      thenSend: ['GET /connection/ HTTP/1.1\r\nHost: example.com\r\n\r\n'],
    });
    seen.push(exchange.answers.map(({ startLine }) => startLine));
  }
  proxy.received();
  return seen;
}

async function connections(proxy: RowContext, port: string): Promise<Observation> {
  const seen: Observation[] = [];
  for (let i = 0; i < 3; i++) {
    seen.push((await proxy.exchange('/tcp', { port, headers: [['Connection', 'close']] })).status);
  }
  proxy.received();
  return seen;
}

async function tcpLog(proxy: RowContext): Promise<Observation> {
  let lines: readonly string[] = [];
  await eventually(
    async () => {
      lines = (await readFile(`${proxy.logFile}.tcp`, 'utf8').catch(() => '')).split('\n').slice(0, -1);
      return lines.length >= 3;
    },
    () => `not all lines came: ${lines.join('\n')}`,
  );
  return [...lines].sort();
}

const GET: RequestOptions = {};

export const rateLimits: ConformanceSuite = {
  file: '29-rate-limits',
  upstreams: ['b1'],
  rows: [
    each('as many as there are tokens', '/two/', GET, GET, GET, GET),
    last('a refusal', '/two/', GET),
    last('an answer that tells the limit', '/told/', GET, GET),
    last('a refusal that tells the limit', '/told/', GET, GET),
    last('a refusal that tells when there is more', '/told-fast/', GET, GET),
    last('another status', '/status/', GET, GET),
    last('a status that is no error', '/status-low/', GET, GET),
    last('a refusal with more fields', '/headers/', GET, GET),
    last('an answer without a limit has none of them', '/listener/', GET),
    last('a limit that is not enforced', '/shadow/', GET, GET),
    each('a limit that is not enabled', '/not-enabled/', GET, GET),
    each('a limit that is enabled and no more', '/enabled-alone/', GET, GET),
    last('a refusal of gRPC', '/grpc/', GET, GRPC),
    last('a refusal of gRPC as exhausted', '/exhausted/', GET, GRPC),
    { title: 'a bucket for each connection', observe: twoConnections },
    each(
      'by descriptors, and all together',
      '/plans/',
      ...['free', 'free', 'paid', 'paid', 'paid', 'none', 'none'].map(plan),
    ),
    last('a refusal by a descriptor tells its limit', '/plans/', plan('paid')),
    each(
      'by descriptors, or all others together',
      '/plans-alone/',
      ...['free', 'free', 'paid', 'paid', 'paid', 'paid', 'none', 'none', 'none'].map(plan),
    ),
    each('a descriptor of two', '/both/', plan('free'), plan('free'), plan('paid'), GET, {
      ...plan('free'),
      method: 'POST',
    }),
    each('a descriptor without a header that is missing', '/skipped/', GET, GET, plan('free'), plan('free')),
    each('limits of the filter itself: a header', '/own-limits/', plan('a'), plan('b'), GET),
    each('limits of the filter itself: a query, then a cluster', '/own-limits/?q=1', GET, GET),
    each('by address', '/address/', GET, GET),
    each('of another stage', '/stages/', GET, GET, GET),
    each('of the virtual host', '/of-host/', GET, GET),
    each('of the virtual host, ignored', '/of-host-ignored/', GET, GET),
    each('of the virtual host, overridden', '/of-host-overridden/', plan('a'), plan('a')),
    each('of the virtual host, included', '/of-host-included/', plan('a'), plan('a')),
    each('an answer of the proxy itself', '/direct/', GET, GET),
    each('a route without a limit', '/off/', GET, GET, GET, GET),
    each('of the listener', '/listener/', GET, GET, GET),
    each('no bucket at all', '/', ...Array.from({ length: 3 }, () => ({ port: 'NOTHING' }))),
    each('a bucket for a rule alone', '/one?x=1', ...Array.from({ length: 2 }, () => ({ port: 'RULES' }))),
    each('no bucket where no rule holds', '/two', ...Array.from({ length: 2 }, () => ({ port: 'RULES' }))),
    { title: 'connections', observe: (proxy) => connections(proxy, 'TCP') },
    { title: 'connections, switched off', observe: (proxy) => connections(proxy, 'TCP_OFF') },
    { title: 'what connections are in the access log', observe: tcpLog },
    {
      title: 'what each of these is in the access log',
      observe: async (proxy) =>
        (await accessLog(proxy)).filter((line) => !line.startsWith('/no-such-route')).sort(),
    },
    { title: 'counters', observe: (proxy) => counters(proxy, /rate_limit\..*: [1-9]/) },
  ],
};
