import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import {
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

/** What reaches the upstream, and what the client gets, of fields in mixed case. */
async function exchange(
  ofClients: boolean,
  ofUpstreams: boolean,
): Promise<{ readonly request: string; readonly response: string }> {
  let request = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      request += chunk.toString('latin1');
      if (request.includes('\r\n\r\n'))
        socket.end('HTTP/1.1 200 OK\r\nX-MiXed: Up\r\nCONTENT-LENGTH: 2\r\nx-low: 1\r\n\r\nok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = new TestProxy();
  try {
    const cluster = clusterConfig('c', [endpoint((server.address() as AddressInfo).port)]);
    const protocol = { ...cluster.protocol, preserveHeaderCase: ofUpstreams };
    proxy.clusters.apply([{ ...cluster, protocol }], []);
    const config = managerConfig(routeConfig([forwardRoute('/', 'c')]), { preserveHeaderCase: ofClients });
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(config)], []), []);
    const client = new RawClient(proxy.port());
    client.write(
      'GET / HTTP/1.1\r\nHoSt: a\r\nX-CaSe: Down\r\nACCEPT: text/*\r\nx-low: 1\r\nX-CaSe: Again\r\n\r\n',
    );
    const response = await client.until((text) => text.endsWith('ok'));
    client.socket.destroy();
    return { request, response };
  } finally {
    await proxy.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

describe('the case of header names', () => {
  for (const ofClients of [true, false]) {
    for (const ofUpstreams of [true, false]) {
      it(`is kept of ${ofClients ? 'requests' : 'no request'} and ${ofUpstreams ? 'responses' : 'no response'} where the listener and the cluster say so`, async () => {
        const { request, response } = await exchange(ofClients, ofUpstreams);
        const has = (text: string, isKept: boolean, ...lines: string[]): void => {
          for (const line of lines) {
            const [name = '', value = ''] = line.split(': ');
            const wanted = isKept ? line : `${name.toLowerCase()}: ${value}`;
            assert.ok(text.includes(`\r\n${wanted}\r\n`), `${wanted} is not in ${text}`);
          }
        };
        has(request, ofClients, 'X-CaSe: Down', 'X-CaSe: Again', 'ACCEPT: text/*', 'x-low: 1');
        has(response, ofUpstreams, 'X-MiXed: Up', 'CONTENT-LENGTH: 2', 'x-low: 1');
      });
    }
  }
});
