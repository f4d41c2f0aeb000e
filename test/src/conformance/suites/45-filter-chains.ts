import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { rawExchange } from '../../support/raw-exchange.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

interface Addresses {
  readonly from?: string;
  readonly fromPort?: number;
  readonly to: string;
  readonly toPort?: number;
}

function header({ from = '192.0.2.1', fromPort = 999, to, toPort = 80 }: Addresses): string {
  return `PROXY ${to.includes(':') ? 'TCP6' : 'TCP4'} ${from} ${to} ${fromPort} ${toPort}\r\n`;
}

function row(title: string, addresses: Addresses, request = GET): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const sent = Buffer.from(header(addresses) + request, 'latin1');
      const exchange = await rawExchange(proxy.port('CHAINS'), sent, { untilClosed: true });
      return exchange.answers.map(({ body }) => body.toString());
    },
  };
}

/** What chain a handshake comes to is told by the counters. */
function tlsRow(
  title: string,
  addresses: Addresses,
  serverName: string,
  protocols: string[],
): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const hello = await clientHello(serverName, protocols);
      const before = await connections(proxy);
      await rawExchange(proxy.port('CHAINS'), Buffer.concat([Buffer.from(header(addresses)), hello]), {
        untilClosed: true,
      });
      const after = await connections(proxy);
      return Object.keys(after).filter((name) => after[name] !== before[name]);
    },
  };
}

export const filterChains: ConformanceSuite = {
  file: '45-filter-chains',
  upstreams: [],
  rows: [
    row('nothing of it matches', { to: '203.0.113.1' }),
    row('the destination port before the address', { to: '203.0.113.1', toPort: 8443 }),
    row('the address within the port', { to: '10.1.2.3', toPort: 8443 }),
    row('no way back from a port', { to: '203.0.113.1', toPort: 8443, fromPort: 1000 }),
    row('an address range', { to: '10.200.0.1' }),
    row('a longer address range', { to: '10.1.0.1' }),
    row('an address with a protocol', { to: '10.1.2.3' }),
    row('an address whose protocol is another', { to: '10.1.2.3' }, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'),
    row('an IPv6 address', { from: '2001:db8::9', to: '2001:db8::1' }),
    row('an IPv6 address of no range', { from: '2001:db8::9', to: '2001:db9::1' }),
    row('from the same address', { from: '10.200.0.1', to: '10.200.0.1' }),
    row('from a loopback address', { from: '127.0.0.9', to: '10.200.0.1' }),
    row('a source port', { to: '10.2.0.1', fromPort: 2000 }),
    row('another source port', { to: '10.2.0.1', fromPort: 3000 }),
    row('a wider source range', { from: '192.0.7.1', to: '10.2.0.1', fromPort: 2000 }),
    row('no source range', { from: '203.0.113.1', to: '10.2.0.1' }),
    row('the peer of the connection before the source', { to: '10.3.0.1' }),
    row('a version of HTTP', { to: '10.4.0.1' }, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'),
    row('any other version of HTTP', { to: '10.4.0.1' }),
    row('plain text where TLS is wanted', { to: '10.5.0.1' }),
    row('no server name where one is wanted', { to: '10.6.0.1' }),
    tlsRow('TLS where TLS is wanted', { to: '10.5.0.1' }, 'a.example.com', []),
    tlsRow('TLS where plain text is wanted', { to: '10.200.0.1' }, 'a.example.com', []),
    tlsRow('a server name', { to: '10.6.0.1' }, 'a.example.com', []),
    tlsRow('a server name by a wildcard', { to: '10.6.0.1' }, 'c.example.com', []),
    tlsRow('by a longer wildcard, with its protocol', { to: '10.6.0.1' }, 'x.b.example.com', ['h2', 'istio']),
    tlsRow('by a longer wildcard, without its protocol', { to: '10.6.0.1' }, 'x.b.example.com', ['h2']),
    tlsRow('a server name of no wildcard', { to: '10.6.0.1' }, 'example.com', []),
  ],
};

async function connections(proxy: Parameters<ConformanceRow['observe']>[0]): Promise<Record<string, string>> {
  const { body } = await proxy.exchange('/stats?filter=^http\\.chain.*downstream_cx_total$', {
    port: 'ADMIN',
    host: 'localhost',
  });
  const lines = body.split('\n').filter((line) => line.includes(': '));
  return Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]));
}

/** The first bytes of a handshake, which goes no further. */
function clientHello(servername: string, ALPNProtocols: string[]): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {
        // Nobody answers.
      },
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    const socket = connect({ socket: wire, servername, ALPNProtocols });
    socket.on('error', () => undefined);
  });
}
