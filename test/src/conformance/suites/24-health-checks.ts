import { eventually } from '../../support/eventually.js';
import type { UpstreamReply } from '../../support/recording-upstream.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

const answer = (status: number, body = 'no', ...fields: string[]): UpstreamReply => ({
  bytes: [`HTTP/1.1 ${status} Scripted`, ...fields, `Content-Length: ${body.length}`, '', body].join('\r\n'),
});

const WELL = answer(200, 'pong, for I am well');

/** The flags of a cluster's hosts on /clusters, in the order of their upstreams. */
async function healthFlags(proxy: RowContext, cluster: string): Promise<readonly string[]> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.port('ADMIN')}/clusters`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${cluster}::`) && line.includes('::health_flags::'))
    .map((line) => proxy.normalised(line).replace(/^.*<(.*)>::health_flags::/, '$1 '))
    .sort();
}

/** Waits for flags, then tells where four requests go. */
async function settled(
  proxy: RowContext,
  cluster: string,
  expected: readonly string[],
): Promise<{ readonly [what: string]: Observation }> {
  let flags: readonly string[] = [];
  await eventually(
    async () => (flags = await healthFlags(proxy, cluster)).join() === [...expected].sort().join(),
    () => `${cluster}: ${flags.join()} instead of ${expected.join()}`,
  );
  // Envoy's workers learn of it a moment later.
  await proxy.exchange(`/${cluster}/before`);
  proxy.received();
  const seen: Record<string, number> = {};
  const count = (what: string): void => void (seen[what] = (seen[what] ?? 0) + 1);
  for (let i = 0; i < 4; i++) count(`status ${(await proxy.exchange(`/${cluster}/${i}`)).status}`);
  for (const upstream of proxy.upstreams.values()) {
    // The checks of other clusters are answered as well.
    for (const { startLine } of upstream.takeRecorded()) {
      if (startLine.includes(`/${cluster}/`)) count(upstream.name);
    }
  }
  return { flags, ...Object.fromEntries(Object.entries(seen).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function checks(proxy: RowContext, name: string, cluster: string, reply: UpstreamReply): void {
  proxy.upstream(name).keepAnswering(`/${cluster}-check`, reply);
}

/** The last check that an upstream got. */
async function lastCheck(proxy: RowContext, name: string, cluster: string): Promise<Observation> {
  let found;
  await eventually(
    () => {
      const seen = proxy.upstream(name).takeStanding();
      found = seen.filter(({ startLine }) => startLine.includes(`/${cluster}-check`)).at(-1);
      return found !== undefined;
    },
    () => `${name} gets no check`,
  );
  const { startLine, fields } = found as unknown as {
    startLine: string;
    fields: readonly (readonly [string, string])[];
  };
  return { startLine, fields: fields.map(([field, value]) => `${field.toLowerCase()}: ${value}`).sort() };
}

const BOTH = ['B1 healthy', 'B2 healthy'];

/** b1 answers so while b2 is well; then both are. */
function told(
  title: string,
  cluster: string,
  reply: UpstreamReply,
  flags: readonly string[],
): ConformanceSuite['rows'][number] {
  return {
    title,
    observe: async (proxy) => {
      checks(proxy, 'b2', cluster, WELL);
      checks(proxy, 'b1', cluster, reply);
      const during = await settled(proxy, cluster, flags);
      checks(proxy, 'b1', cluster, WELL);
      return { during, after: await settled(proxy, cluster, BOTH) };
    },
  };
}

const EXCLUDED = 'B1 /failed_active_hc/excluded_via_immediate_hc_fail';
const FAILED = ['B1 /failed_active_hc', 'B2 healthy'];
/** Timeouts of a network are told apart. */
const TIMED_OUT = ['B1 /failed_active_hc/active_hc_timeout', 'B2 healthy'];

export const healthChecks: ConformanceSuite = {
  file: '24-health-checks',
  upstreams: ['b1', 'b2', 'b3'],
  rows: [
    told('a status that says no', 'plain', answer(503), FAILED),
    told('a status that is not expected', 'plain', answer(404), FAILED),
    told('a connection that closes without an answer', 'plain', { then: 'end' }, FAILED),
    told('an answer that is not HTTP', 'plain', { bytes: 'nonsense\r\n\r\n', then: 'end' }, FAILED),
    {
      title: 'a host that says it is degraded',
      observe: async (proxy) => {
        checks(proxy, 'b1', 'plain', answer(200, 'ok', 'x-envoy-degraded: true'));
        // It goes on getting a share that chance decides.
        const { flags = null } = await settled(proxy, 'plain', ['B1 /degraded_active_hc', 'B2 healthy']);
        checks(proxy, 'b1', 'plain', WELL);
        await settled(proxy, 'plain', BOTH);
        return flags;
      },
    },
    told(
      'a host that wants to be left out',
      'plain',
      answer(503, 'no', 'x-envoy-immediate-health-check-fail: true'),
      [EXCLUDED, 'B2 healthy'],
    ),
    { title: 'what a check looks like', observe: (proxy) => lastCheck(proxy, 'b1', 'plain') },
    told('a status of a range', 'ranges', answer(404), BOTH),
    told('a status between ranges', 'ranges', answer(301), FAILED),
    told('a status that is tried again', 'ranges', answer(500), FAILED),
    { title: 'what a check with fields looks like', observe: (proxy) => lastCheck(proxy, 'b1', 'ranges') },
    told('no answer in time', 'slow', {}, TIMED_OUT),
    told('bytes that are waited for do not come', 'tcp', answer(200, 'ping'), TIMED_OUT),
    told('bytes come in pieces and between others', 'tcp', answer(200, '...pong...'), BOTH),
    told('a connection is made for every check', 'fresh', answer(500), FAILED),
    told('a body that is not what is waited for', 'body', answer(200, 'well, I am'), FAILED),
    {
      title: 'a body in the right order',
      observe: async (proxy) => {
        for (const name of ['b1', 'b2']) checks(proxy, name, 'body', answer(200, 'I am quite well'));
        return settled(proxy, 'body', BOTH);
      },
    },
    {
      title: 'nobody can be connected to',
      observe: (proxy) => settled(proxy, 'connect', ['B1 healthy', 'REFUSED /failed_active_hc']),
    },
    {
      title: 'a host that is asked elsewhere, and one that is not asked',
      observe: async (proxy) => {
        checks(proxy, 'b3', 'elsewhere', answer(503));
        const during = await settled(proxy, 'elsewhere', FAILED);
        checks(proxy, 'b3', 'elsewhere', WELL);
        const after = await settled(proxy, 'elsewhere', BOTH);
        return { during, after, check: await lastCheck(proxy, 'b3', 'elsewhere') };
      },
    },
    {
      title: 'everybody says no',
      observe: async (proxy) => {
        for (const name of ['b1', 'b2']) checks(proxy, name, 'plain', answer(503));
        const during = await settled(proxy, 'plain', ['B1 /failed_active_hc', 'B2 /failed_active_hc']);
        for (const name of ['b1', 'b2']) checks(proxy, name, 'plain', WELL);
        return { during, after: await settled(proxy, 'plain', BOTH) };
      },
    },
    {
      title: 'an answer to a request that wants no more of them',
      observe: async (proxy) => {
        proxy.upstream('b1').replyWith(answer(200, 'ok', 'x-envoy-immediate-health-check-fail: true'));
        for (let i = 0; i < 2; i++) await proxy.exchange('/plain/asks');
        // Two checks would have to go well before it is back.
        checks(proxy, 'b1', 'plain', answer(503));
        return settled(proxy, 'plain', [EXCLUDED, 'B2 healthy']);
      },
    },
  ],
};
