import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

const KEYS = Array.from({ length: 24 }, (_, i) => `key-${i}`);

/** Which upstreams a request reaches, in order. */
async function reached(proxy: RowContext, target: string, options: RequestOptions = {}): Promise<string> {
  await proxy.exchange(target, options);
  return [...proxy.upstreams.values()]
    .flatMap((upstream) => upstream.takeRecorded().map(() => upstream.name))
    .join(' ');
}

/** Where each of the keys leads. */
function everyKey(
  title: string,
  request: (key: string) => readonly [target: string, options: RequestOptions],
): Row {
  return {
    title,
    observe: async (proxy) => {
      const seen: Record<string, string> = {};
      for (const key of KEYS) seen[key] = await reached(proxy, ...request(key));
      return seen;
    },
  };
}

const byHeader = (route: string) => (key: string) => [`/${route}/`, { headers: [['x-key', key]] }] as const;

async function isSticky(proxy: RowContext, target: string, options: RequestOptions = {}): Promise<boolean> {
  const seen = new Set<string>();
  for (let i = 0; i < 12; i++) seen.add(await reached(proxy, target, options));
  return seen.size === 1;
}

/** The cookie that an answer sets, its value left out where it is one of a connection. */
async function setCookie(
  proxy: RowContext,
  target: string,
  options: RequestOptions = {},
): Promise<Observation> {
  const { exchange } = await proxy.exchange(target, options);
  proxy.received();
  const found = exchange.answers.at(-1)?.fields.filter(([name]) => name.toLowerCase() === 'set-cookie') ?? [];
  return found.map(([, value]) => value.replace(/"[0-9a-f]{16}"/, '"<hash>"'));
}

async function failing(proxy: RowContext, route: string): Promise<Observation> {
  const seen: Record<string, string> = {};
  for (const key of KEYS) {
    for (const upstream of proxy.upstreams.values()) {
      upstream.replyWith({ bytes: 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n' });
    }
    await proxy.exchange(`/${route}/`, { headers: [['x-key', key]] });
    const names = [...proxy.upstreams.values()].filter((upstream) => {
      upstream.forgetReplies();
      return upstream.takeRecorded().length > 0;
    });
    seen[key] = names.map(({ name }) => name).join(' ');
  }
  return seen;
}

export const hashing: ConformanceSuite = {
  file: '25-hashing',
  upstreams: ['b1', 'b2', 'b3'],
  rows: [
    everyKey('a ring', byHeader('header')),
    everyKey('a table', byHeader('maglev')),
    everyKey('a ring of hosts that weigh', byHeader('weighted')),
    everyKey('a table of hosts that weigh', byHeader('weighted-maglev')),
    everyKey('a ring of four points', byHeader('small')),
    everyKey('a ring that is configured as an extension', byHeader('typed')),
    everyKey('two priorities', byHeader('priorities')),
    everyKey('a part of a header', (key) => ['/rewritten/', { headers: [['x-key', `${key.slice(4)}-x`]] }]),
    everyKey('a query parameter', (key) => [`/query/?a=1&key=${key}`, {}]),
    everyKey('a header and a query parameter', (key) => [
      `/two/?key=${key}`,
      { headers: [['x-key', `${key}!`]] },
    ]),
    everyKey('a header that is enough', (key) => [
      `/terminal/?key=${key}`,
      { headers: [['x-key', `${key}!`]] },
    ]),
    everyKey('a query parameter where the header is missing', (key) => [`/terminal/?key=${key}`, {}]),
    everyKey('a cookie', (key) => ['/cookie/', { headers: [['cookie', `a=b; session=${key}; c=d`]] }]),
    everyKey('a cookie in quotes', (key) => ['/cookie/', { headers: [['cookie', `session="${key}"`]] }]),
    { title: 'the address of the client', observe: (proxy) => isSticky(proxy, '/source/') },
    { title: 'nothing to hash', observe: (proxy) => isSticky(proxy, '/header/') },
    { title: 'a cookie that is missing and not given out', observe: (proxy) => setCookie(proxy, '/cookie/') },
    { title: 'a cookie that is missing and given out', observe: (proxy) => setCookie(proxy, '/given/') },
    {
      title: 'a cookie that is there is not given out again',
      observe: (proxy) => setCookie(proxy, '/given/', { headers: [['cookie', 'session=x']] }),
    },
    { title: 'a retry on a ring goes elsewhere', observe: (proxy) => failing(proxy, 'failing') },
    { title: 'a retry in a table goes elsewhere', observe: (proxy) => failing(proxy, 'failing-maglev') },
  ],
};
