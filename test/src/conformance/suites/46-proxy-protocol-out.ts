import { connect, createServer, type Socket } from 'node:net';
import { readProxyHeader } from '@heddle/data-plane/testing';
import { eventually } from '../../support/eventually.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

const TCP4 = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n';
const TCP6 = 'PROXY TCP6 2001:db8::1 2001:db8::7 56324 443\r\n';
const WITH_VALUES =
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb\x04\0\x02ab';
const TLS_HANDSHAKE = 0x16;

/** A host of the clusters: hears what is said on each connection, and answers requests and checks. */
class Host {
  readonly heard: Buffer[] = [];
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();

  /** What each connection began with, once `count` of them have said as much as `isWhole` asks for. */
  static async hears(
    port: number,
    count: number,
    isWhole: (bytes: Buffer) => boolean,
    during: () => Promise<unknown>,
  ): Promise<readonly Buffer[]> {
    const host = new Host();
    await new Promise<void>((resolve) => host.#server.listen(port, '127.0.0.1', resolve));
    try {
      await during();
      await eventually(
        () => host.heard.filter(isWhole).length >= count,
        () => `heard only ${JSON.stringify(host.heard.map((bytes) => bytes.toString('latin1')))}`,
      );
      return host.heard;
    } finally {
      for (const socket of host.#sockets) socket.destroy();
      await new Promise((resolve) => host.#server.close(resolve));
    }
  }

  #serve(socket: Socket): void {
    const place = this.heard.push(Buffer.alloc(0)) - 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const bytes = Buffer.concat([this.heard[place] as Buffer, chunk]);
      this.heard[place] = bytes;
      if (bytes.includes('ping')) socket.write('pong');
      if (!bytes.includes('HTTP/1.1')) return;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      if (bytes.includes('/last')) socket.end();
    });
    socket.on('end', () => socket.end());
  }
}

/** What a header says, and what comes behind it. */
function shown(proxy: RowContext, bytes: Buffer, clientPort = 0): Observation {
  const verdict = readProxyHeader(bytes);
  if (verdict.kind !== 'header') return { none: bytes.subarray(0, 60).toString('latin1') };
  const { version, length, addresses } = verdict.header;
  const end = ({ host, port }: { readonly host: string; readonly port: number }): string =>
    proxy.normalised(`${host} ${port === clientPort ? '<client>' : port}`);
  const rest = bytes.subarray(length);
  return {
    version,
    length: clientPort === 0 ? length : '',
    ends: addresses === undefined ? 'none' : [end(addresses.source), end(addresses.destination)],
    rest:
      rest[0] === TLS_HANDSHAKE ? 'a TLS handshake' : (rest.toString('latin1').split('\r\n')[0] as string),
  };
}

/** Bytes of one client, on one connection until it is closed. `meanwhile` knows its port. */
async function says(
  port: number,
  texts: readonly string[],
  meanwhile: (clientPort: number) => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  const clientPort = socket.localPort ?? 0;
  for (const text of texts) {
    const answered = new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    socket.write(Buffer.from(text, 'latin1'));
    if (text.includes('HTTP/1.1')) await answered;
  }
  await meanwhile(clientPort);
  socket.destroy();
  return clientPort;
}

function tcpRow(title: string, port: string, text: string): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      let over = (): void => undefined;
      const isOver = new Promise<void>((resolve) => (over = resolve));
      const [bytes] = await Host.hears(
        proxy.port('HOST'),
        1,
        (heard) => {
          const isWhole = heard.includes('hello') || heard.includes(TLS_HANDSHAKE, 28);
          if (isWhole) over();
          return isWhole;
        },
        async () => void says(proxy.port(port), [text], () => isOver),
      );
      over();
      return shown(proxy, bytes as Buffer);
    },
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

function requestsRow(version: 1 | 2): ConformanceRow {
  return {
    title: `version ${version}, two requests of a client and one of another`,
    observe: async (proxy) => {
      const port = proxy.port('HTTP');
      let first = 0;
      let second = 0;
      const heard = await Host.hears(
        proxy.port('HOST'),
        2,
        (bytes) => bytes.includes('HTTP/1.1'),
        async () => {
          first = await says(port, [get(`/v${version}/1`), get(`/v${version}/2`)]);
          second = await says(port, [get(`/v${version}/last`)]);
        },
      );
      return heard.map((bytes, i) => ({
        ...(shown(proxy, bytes, i === 0 ? first : second) as object),
        requests: bytes.toString('latin1').split('HTTP/1.1').length - 1,
      }));
    },
  };
}

function checksRow(version: 1 | 2): ConformanceRow {
  return {
    title: `version ${version}, a health check`,
    observe: async (proxy) => {
      const [bytes] = await Host.hears(
        proxy.port(`CHECKED${version}`),
        1,
        (heard) => heard.includes('ping'),
        () => Promise.resolve(),
      );
      const { ends, ...rest } = shown(proxy, bytes as Buffer, -1) as Record<string, Observation>;
      const [source = '', destination = ''] = Array.isArray(ends) ? (ends as string[]) : [];
      return {
        ...rest,
        ends: Array.isArray(ends) ? [source.split(' ')[0] ?? '', destination] : (ends ?? ''),
      };
    },
  };
}

export const proxyProtocolOut: ConformanceSuite = {
  file: '46-proxy-protocol-out',
  upstreams: [],
  rows: [
    tcpRow('version 1, IPv4', 'TCP1', `${TCP4}hello`),
    tcpRow('version 1, IPv6', 'TCP1', `${TCP6}hello`),
    tcpRow('version 2, IPv4', 'TCP2', `${TCP4}hello`),
    tcpRow('version 2, IPv6', 'TCP2', `${TCP6}hello`),
    tcpRow('version 2, of one with values', 'TCP2', `${WITH_VALUES}hello`),
    tcpRow('version 1 before TLS', 'TLS1', `${TCP4}hello`),
    tcpRow('version 2 before TLS', 'TLS2', `${TCP4}hello`),
    {
      title: 'a client that says nothing',
      observe: async (proxy) => {
        let clientPort = 0;
        let over = (): void => undefined;
        const isOver = new Promise<void>((resolve) => (over = resolve));
        const [bytes] = await Host.hears(
          proxy.port('HOST'),
          1,
          (heard) => heard.length >= 28,
          async () =>
            void says(proxy.port('DIRECT'), [], async (own) => {
              clientPort = own;
              await isOver;
            }),
        );
        over();
        return shown(proxy, bytes as Buffer, clientPort);
      },
    },
    requestsRow(1),
    requestsRow(2),
    checksRow(1),
    checksRow(2),
  ],
};
