import { accessLog } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { RequestOptions } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

/** A call by gRPC to an upstream that says nothing, with a deadline of its own unless that is empty. */
function stalled(route: string, deadline: string): Row {
  return {
    title: `${route}: ${deadline === '' ? 'no deadline' : deadline}`,
    observe: async (proxy) => {
      for (let i = 0; i < 2; i++) proxy.upstream('b1').replyWith({});
      const before = performance.now();
      const shown = await proxy
        .request(`/${route}/${deadline}`, { ...grpc(deadline), timeoutMs: 1500 })
        .catch(() => 'nothing came');
      const early = performance.now() - before < 150;
      proxy.received();
      return { shown, early };
    },
  };
}

function grpc(deadline: string): RequestOptions {
  const fields: [string, string][] = [['content-type', 'application/grpc']];
  if (deadline !== '') fields.push(['grpc-timeout', deadline]);
  return { method: 'POST', headers: fields, body: '' };
}

/** What the upstream is told of the deadline. */
function told(route: string, deadline: string): Row {
  return {
    title: `${route}: what the upstream is told of ${deadline === '' ? 'no deadline' : deadline}`,
    observe: (proxy) => proxy.request(`/${route}/told`, grpc(deadline)),
  };
}

export const grpcTimeouts: ConformanceSuite = {
  file: '34-grpc-timeouts',
  upstreams: ['b1'],
  rows: [
    ...['plain', 'most', 'any', 'offset', 'tries', 'stream-most', 'stream-any', 'stream-offset'].flatMap(
      (route) => [...['300m', '9H', '5x'].map((deadline) => told(route, deadline)), told(route, '')],
    ),
    ...['plain', 'most', 'stream-most'].map((route) => stalled(route, '3S')),
    ...['any', 'offset', 'stream-any', 'stream-offset'].map((route) => stalled(route, '300m')),
    ...['most', 'stream-any', 'plain'].map((route) => stalled(route, '')),
    stalled('tries', '1S'),
    {
      title: 'what each of these is in the access log',
      observe: async (proxy) =>
        (await accessLog(proxy)).filter((line) => !/told|no-such-route/.test(line)).sort(),
    },
  ],
};
