import { connect } from 'node:http2';
import { ProtocolUpstream } from '../../support/protocol-upstream.js';
import { counters } from '../attempts.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

/** A request by HTTP/2; its status. */
async function byHttp2(proxy: RowContext, path: string): Promise<number> {
  const session = connect(`http://127.0.0.1:${proxy.port('HTTP')}`);
  try {
    return await new Promise<number>((resolve, reject) => {
      const stream = session.request({ ':path': path });
      stream.on('response', (headers) => resolve(Number(headers[':status'])));
      stream.on('error', reject);
      stream.resume();
    });
  } finally {
    session.destroy();
  }
}

/** One client by each version of HTTP, twice in turn, to an upstream that agrees on `protocols`. */
function row(title: string, name: string, protocols: readonly string[] | 'plain'): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const upstream = await ProtocolUpstream.listen(proxy.port(name.toUpperCase()), protocols);
      try {
        const statuses: number[] = [];
        for (let i = 0; i < 2; i++) {
          statuses.push((await proxy.exchange(`/${name}`)).status, await byHttp2(proxy, `/${name}`));
        }
        const connections = await counters(
          proxy,
          new RegExp(`^cluster\\.${name}\\.upstream_cx_http[12]_total`),
        );
        return { statuses, ...upstream.seen, connections };
      } finally {
        await upstream.close();
      }
    },
  };
}

export const upstreamProtocols: ConformanceSuite = {
  file: '40-upstream-protocols',
  upstreams: [],
  rows: [
    row('HTTP/2 where both know it', 'both', ['h2', 'http/1.1']),
    row('HTTP/1.1 with a host that knows nothing else', 'old', ['http/1.1']),
    row('HTTP/1.1 with a host that agrees on nothing', 'silent', []),
    row('nothing that is not listed', 'listed', ['h2', 'http/1.1']),
    row('as the client speaks', 'downstream', 'plain'),
  ],
};
