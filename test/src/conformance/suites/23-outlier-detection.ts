import { eventually } from '../../support/eventually.js';
import type { UpstreamReply } from '../../support/recording-upstream.js';
import { answer } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

/** How many of the requests each upstream got, and how many ended with which status. */
async function spread(
  proxy: RowContext,
  cluster: string,
  requests: number,
  options: RequestOptions = {},
): Promise<{ readonly [what: string]: Observation }> {
  const seen: Record<string, number> = {};
  const count = (what: string): void => void (seen[what] = (seen[what] ?? 0) + 1);
  for (let i = 0; i < requests; i++) {
    const { status } = await proxy.exchange(`/${cluster}/${i}`, options);
    count(`status ${status}`);
  }
  for (const upstream of proxy.upstreams.values()) {
    for (const _ of upstream.takeRecorded()) count(upstream.name);
  }
  return Object.fromEntries(Object.entries(seen).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The flags of a cluster's hosts on /clusters, by upstream. */
async function healthFlags(proxy: RowContext, cluster: string): Promise<Observation> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.port('ADMIN')}/clusters`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${cluster}::`) && line.includes('::health_flags::'))
    .map((line) => proxy.normalised(line))
    .sort();
}

async function isEjected(proxy: RowContext, cluster: string): Promise<boolean> {
  return JSON.stringify(await healthFlags(proxy, cluster)).includes('failed_outlier_check');
}

async function ejections(proxy: RowContext, cluster: string): Promise<Observation> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.port('ADMIN')}/stats`)).text();
  const prefix = `cluster.${cluster}.outlier_detection.ejections_`;
  // Envoy's older names for the same counters are left out.
  return text
    .split('\n')
    .filter(
      (line) => line.startsWith(prefix) && /_(active|overflow|enforced_\w+|detected_\w+): [1-9]/.test(line),
    )
    .map((line) => line.slice(prefix.length))
    .sort();
}

/** Requests until b1 has failed so often: the statuses that are not 200. */
async function failOften(
  proxy: RowContext,
  cluster: string,
  failures: readonly UpstreamReply[],
  options: RequestOptions,
): Promise<Observation> {
  proxy.upstream('b1').replyWith(...failures);
  const statuses: number[] = [];
  for (let failed = 0, i = 0; failed < failures.length && i < 50; i++) {
    const { status } = await proxy.exchange(`/${cluster}/${i}`, options);
    if (status !== 200) statuses.push(status);
    failed += proxy.upstream('b1').takeRecorded().length;
  }
  proxy.received();
  return statuses;
}

/** b1 fails; then where four requests go, and whether it gets some again. */
async function story(
  proxy: RowContext,
  cluster: string,
  failures: readonly UpstreamReply[],
  ejects: boolean,
  options: RequestOptions = {},
): Promise<Observation> {
  const failing = await failOften(proxy, cluster, failures, options);
  if (ejects) {
    await eventually(
      () => isEjected(proxy, cluster),
      () => `b1 of ${cluster} is not ejected`,
    );
    // Envoy's workers learn of it a moment later.
    await spread(proxy, cluster, 1);
  }
  const after = { ...(await spread(proxy, cluster, 4)), flags: await healthFlags(proxy, cluster) };
  let again = 0;
  await eventually(
    async () => {
      if (await isEjected(proxy, cluster)) return false;
      const { b1 = 0 } = await spread(proxy, cluster, 2);
      return (again = Number(b1)) > 0;
    },
    () => `b1 of ${cluster} gets no request again`,
  );
  return { failing, after, again: again > 0, counted: await ejections(proxy, cluster) };
}

/** Of five hosts b1 fails three of four times. */
async function standsOut(proxy: RowContext, cluster: string): Promise<Observation> {
  await eventually(
    async () => {
      proxy.upstream('b1').forgetReplies();
      proxy.upstream('b1').replyWith(...three(answer(500)));
      // Four for each host, of one interval if all goes well.
      await spread(proxy, cluster, 20);
      return isEjected(proxy, cluster);
    },
    () => `nobody of ${cluster} is ejected`,
  );
  proxy.upstream('b1').forgetReplies();
  await spread(proxy, cluster, 1);
  const ejected = { ...(await spread(proxy, cluster, 8)), flags: await healthFlags(proxy, cluster) };
  return { ejected, counted: await ejections(proxy, cluster) };
}

/** Not sent again by heddle-proxy where the connection was used before. */
const POST: RequestOptions = { method: 'POST', body: 'once' };
const GRPC: RequestOptions = { method: 'POST', headers: [['content-type', 'application/grpc']], body: '' };
const three = <T>(one: T): readonly T[] => [one, one, one];

export const outlierDetection: ConformanceSuite = {
  file: '23-outlier-detection',
  upstreams: ['b1', 'b2', 'b3', 'b4', 'b5'],
  rows: [
    {
      title: 'three 5xx in a row',
      observe: (proxy) => story(proxy, 'row', [answer(500), answer(503), answer(599)], true),
    },
    {
      title: 'three failures that are not in a row',
      observe: (proxy) =>
        story(proxy, 'interrupted', [answer(500), answer(503), answer(404), answer(500)], false),
    },
    {
      title: 'three failures of a gateway in a row',
      observe: (proxy) => story(proxy, 'gateway', [answer(502), answer(503), answer(504)], true),
    },
    {
      title: 'failures of a gateway with another between',
      observe: (proxy) =>
        story(proxy, 'gateway', [answer(502), answer(503), answer(500), answer(504)], false),
    },
    {
      title: 'connections that are reset',
      observe: (proxy) => story(proxy, 'row', three({ then: 'reset' }), true, POST),
    },
    {
      title: 'connections that are reset, counted apart',
      observe: (proxy) => story(proxy, 'local', three({ then: 'reset' }), false, POST),
    },
    {
      title: 'answers, counted apart',
      observe: (proxy) => story(proxy, 'local', [answer(500), answer(500)], true),
    },
    {
      title: 'detected and not ejected',
      observe: (proxy) => story(proxy, 'detected', three(answer(500)), false),
    },
    { title: 'more than its share', observe: (proxy) => story(proxy, 'share', three(answer(500)), false) },
    {
      title: 'more than its share, but one at least',
      observe: (proxy) => story(proxy, 'one', three(answer(500)), true),
    },
    {
      title: 'so few left that nobody looks at health',
      observe: (proxy) => story(proxy, 'panic', three(answer(500)), true),
    },
    {
      title: 'a status of gRPC',
      observe: (proxy) => story(proxy, 'grpc', three(answer(200, 'grpc-status: 14')), true, GRPC),
    },
    {
      title: 'a status of gRPC that is no failure of the server',
      observe: (proxy) => story(proxy, 'grpc', three(answer(200, 'grpc-status: 5')), false, GRPC),
    },
    {
      title: 'nobody is left',
      observe: async (proxy) => {
        const failing = await failOften(proxy, 'none-left', three(answer(500)), {});
        await eventually(
          () => isEjected(proxy, 'none-left'),
          () => 'the only host is not ejected',
        );
        await spread(proxy, 'none-left', 1);
        const then = await proxy.request('/none-left/after');
        return { failing, then, flags: await healthFlags(proxy, 'none-left') };
      },
    },
    { title: 'a success rate far below the others', observe: (proxy) => standsOut(proxy, 'rate') },
    { title: 'a failure percentage', observe: (proxy) => standsOut(proxy, 'percentage') },
  ],
};
