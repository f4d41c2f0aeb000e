import { httpCall } from '../../support/http-call.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

const KEYS = Array.from({ length: 40 }, (_, i) => `key-${i}`);

/** Where each of the keys leads, by upstream, and in how many of these choices a priority was in panic. */
function everyKey(title: string, cluster: string): Row {
  return {
    title,
    observe: async (proxy) => {
      const before = await panics(proxy, cluster);
      const seen: Record<string, string> = {};
      for (const key of KEYS) {
        const name = await reached(proxy, cluster, key);
        seen[name] = seen[name] === undefined ? key : `${seen[name]} ${key}`;
      }
      return { ...seen, panics: (await panics(proxy, cluster)) - before };
    },
  };
}

/** Who gets requests at all where chance decides which. */
function someOf(title: string, cluster: string): Row {
  return {
    title,
    observe: async (proxy) => {
      const before = await panics(proxy, cluster);
      const seen = new Set<string>();
      for (let i = 0; i < 200; i++) seen.add(await reached(proxy, cluster, 'any'));
      return { reached: [...seen].sort(), panicked: (await panics(proxy, cluster)) > before };
    },
  };
}

async function reached(proxy: RowContext, cluster: string, key: string): Promise<string> {
  const { status } = await proxy.exchange(`/${cluster}/`, { headers: [['x-key', key]] });
  const names = [...proxy.upstreams.values()].flatMap((upstream) =>
    upstream.takeRecorded().map(() => upstream.name),
  );
  return names.length === 0 ? String(status) : names.join(' ');
}

async function panics(proxy: RowContext, cluster: string): Promise<number> {
  const name = `cluster.${cluster}.lb_healthy_panic`;
  const { body } = await httpCall(proxy.port('ADMIN'), '/stats');
  const line = body.split('\n').find((text) => text.startsWith(`${name}: `));
  return Number(line?.slice(name.length + 2) ?? 0);
}

export const priorities: ConformanceSuite = {
  file: '27-priorities',
  upstreams: ['b1', 'b2', 'b3', 'b4', 'b5', 'b6'],
  rows: [
    everyKey('half of the first priority is healthy', 'half'),
    everyKey('a third of the first priority is healthy, and others help', 'third'),
    everyKey('a third is healthy, and nobody helps', 'third-alone'),
    everyKey('a third is healthy, and that is enough', 'third-lower-threshold'),
    everyKey('a third is healthy, and there is no panic', 'third-no-threshold'),
    everyKey('a third is healthy in both', 'both-third'),
    everyKey('half and a third are healthy', 'both-half'),
    everyKey('nobody is healthy', 'nobody'),
    everyKey('nobody is healthy, and there is no panic', 'nobody-no-threshold'),
    everyKey('nothing is in reserve', 'no-reserve'),
    everyKey('much is in reserve', 'much-reserve'),
    everyKey('three priorities', 'three-levels'),
    everyKey('a first priority without hosts', 'empty-first'),
    everyKey('a first priority that is drained', 'drained'),
    everyKey('localities that weigh', 'localities'),
    everyKey('localities that weigh less for what is missing', 'locality-half'),
    everyKey('a locality that is gone', 'locality-gone'),
    someOf('a degraded host takes what the healthy one cannot', 'degraded-helps'),
    someOf('degraded hosts come after the next priority', 'degraded-after-next'),
    someOf('degraded hosts are better than none', 'degraded-alone'),
    someOf('degraded hosts do not keep a priority from panic', 'degraded-panic'),
    everyKey('degraded hosts on a ring', 'degraded-ring'),
  ],
};
