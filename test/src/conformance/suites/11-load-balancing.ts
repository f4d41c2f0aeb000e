import assert from 'node:assert/strict';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

async function servedBy(proxy: RowContext, target: string, calls: number): Promise<readonly string[]> {
  const { exchange } = await proxy.exchange(target, {
    answers: calls,
    thenSend: Array.from({ length: calls - 1 }, () => `GET ${target} HTTP/1.1\r\nHost: example.com\r\n\r\n`),
  });
  proxy.received();
  return exchange.answers.map(({ body }) => body.toString().slice(0, 2));
}

function counted(names: readonly string[]): { [name: string]: number } {
  const counts: { [name: string]: number } = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** All three get a share that is not chance; which exactly is the proxy's own. */
async function spread(proxy: RowContext, target: string): Promise<Observation> {
  const counts = counted(await servedBy(proxy, target, 300));
  for (const name of ['b1', 'b2', 'b3'])
    assert.ok((counts[name] ?? 0) > 50, `${name} of ${JSON.stringify(counts)}`);
  return Object.keys(counts);
}

export const loadBalancing: ConformanceSuite = {
  file: '11-load-balancing',
  upstreams: ['b1', 'b2', 'b3'],
  rows: [
    { title: 'STRICT_DNS', observe: (proxy) => proxy.request('/strict') },
    { title: 'LOGICAL_DNS', observe: (proxy) => proxy.request('/logical') },
    {
      title: 'round robin gives each the same',
      observe: async (proxy) => counted(await servedBy(proxy, '/round', 30)),
    },
    {
      title: 'weighted round robin',
      observe: async (proxy) => counted(await servedBy(proxy, '/weighted', 40)),
    },
    { title: 'least request uses all', observe: (proxy) => spread(proxy, '/least') },
    { title: 'random uses all', observe: (proxy) => spread(proxy, '/random') },
    {
      title: 'the second priority where the first is unhealthy',
      observe: async (proxy) => counted(await servedBy(proxy, '/failover', 10)),
    },
    {
      title: 'the first priority alone while it is healthy',
      observe: async (proxy) => counted(await servedBy(proxy, '/primary', 10)),
    },
    { title: 'no endpoint that may be used', observe: (proxy) => proxy.request('/unhealthy') },
  ],
};
