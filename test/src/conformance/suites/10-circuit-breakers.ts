import { eventually } from '../../support/eventually.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

/** Requests held by the upstream until one more was refused; what the refused one saw, and that the others end well. */
async function overflow(
  proxy: RowContext,
  target: string,
  name: string,
  held: number,
  waiting: number,
): Promise<Observation> {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const upstream = proxy.upstream(name);
  for (let i = 0; i < held + waiting; i++) upstream.replyWith({ bytes: 'default', after: gate });
  const first = Array.from({ length: held }, () => proxy.exchange(target));
  let seen = 0;
  await eventually(
    () => (seen += upstream.takeRecorded().length) === held,
    () => `${seen} of ${held} requests reached the upstream`,
  );
  const clusterStat = `cluster.${target.slice(1)}.upstream_rq_pending_active`;
  const queued = Array.from({ length: waiting }, () => proxy.exchange(target));
  if (waiting > 0) {
    await eventually(
      async () => (await statistic(proxy, clusterStat)) === waiting,
      () => `${clusterStat} never was ${waiting}`,
    );
  }
  const refused = await proxy.request(target);
  release();
  const served = await Promise.all([...first, ...queued]);
  proxy.received();
  return { refused, served: served.map(({ status }) => status) };
}

async function statistic(proxy: RowContext, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.port('ADMIN')}/stats`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name}:`));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}

export const circuitBreakers: ConformanceSuite = {
  file: '10-circuit-breakers',
  upstreams: ['b1', 'b2'],
  rows: [
    {
      title: 'one connection, one waiting, the next refused',
      observe: (proxy) => overflow(proxy, '/pending', 'b1', 1, 1),
    },
    { title: 'one request at a time', observe: (proxy) => overflow(proxy, '/requests', 'b2', 1, 0) },
    {
      title: 'and served again afterwards',
      observe: async (proxy) => (await proxy.exchange('/requests')).body,
    },
  ],
};
