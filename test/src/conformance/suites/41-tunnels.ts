import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

const GET = 'GET /inside HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** What is in a tunnel by HTTP/2: the answer to CONNECT, and what comes back for `bytes` until the end. */
async function tunnelled(
  proxy: RowContext,
  authority: string,
  bytes: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly [what: string]: Observation }> {
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${proxy.port('TUNNEL')}`);
  session.on('error', () => undefined);
  try {
    return await new Promise((resolve) => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': authority, ...headers });
      let status = 0;
      let text = '';
      stream.on('response', (answer: IncomingHttpHeaders) => {
        status = Number(answer[':status']);
        stream.write(bytes);
      });
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (text.includes('\r\n\r\n')) stream.end();
      });
      stream.setTimeout(5_000, () => stream.destroy());
      stream.on('error', () => undefined);
      stream.on('end', () => stream.end());
      stream.on('close', () => {
        const [head = '', body = ''] = text.split('\r\n\r\n');
        resolve({
          status,
          line: head.split('\r\n')[0] ?? '',
          body: proxy.normalised(body),
        });
      });
    });
  } finally {
    session.destroy();
  }
}

function row(
  title: string,
  authority: string,
  bytes = GET,
  headers: Readonly<Record<string, string>> = {},
): ConformanceRow {
  return {
    title,
    observe: async (proxy) => ({
      ...(await tunnelled(proxy, authority, bytes, headers)),
      ...proxy.received(),
    }),
  };
}

export const tunnels: ConformanceSuite = {
  file: '41-tunnels',
  upstreams: ['b1'],
  rows: [
    row('a request inside a tunnel', '10.0.0.1:8080', GET, { 'x-principal': 'spiffe://td/ns/x/sa/alice' }),
    row('a request of somebody whom a policy denies', '10.0.0.1:8080', GET, {
      'x-principal': 'spiffe://td/ns/x/sa/mallory',
    }),
    row('bytes inside a tunnel', '10.0.0.1:9090'),
    row('to a port that nothing is there for', '10.0.0.1:1'),
    row('to an address that is not ours', '10.0.0.2:8080'),
    row('to no address', 'somewhere'),
    row('where the route takes none', '10.0.0.1:8080', GET, { 'x-not-here': '1' }),
    row('to a host that is not there', '10.0.0.1:8080', GET, { 'x-nowhere': '1' }),
    {
      title: 'out through a tunnel and in again',
      observe: async (proxy) => [await proxy.request('/one'), await proxy.request('/two')],
    },
    { title: 'out through a tunnel that ends nowhere', observe: (proxy) => proxy.request('/refused') },
    { title: 'TCP out through a tunnel', observe: (proxy) => proxy.request('/tcp', { port: 'TCP' }) },
  ],
};
