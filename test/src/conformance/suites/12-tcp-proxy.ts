import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

interface TcpTalk {
  readonly send: string;
  /** The client ends its side once this has come back; left out: at once. */
  readonly endAfter?: string;
}

/** Bytes through a TCP listener: what came back, and how the connection ended. */
function talk(
  proxy: RowContext,
  port: string,
  { send, endAfter }: TcpTalk,
): Promise<{ got: string; end: string }> {
  return new Promise((resolve, reject) => {
    let got = '';
    let end = 'open';
    const socket = connect({ port: proxy.port(port), host: '127.0.0.1', allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`still open after ${JSON.stringify(got.slice(0, 200))}`));
    }, 5000);
    socket.on('connect', () => {
      socket.write(send);
      if (endAfter === undefined) socket.end();
    });
    socket.on('data', (chunk: Buffer) => {
      const before = got.length;
      got += chunk.toString('latin1');
      if (endAfter !== undefined && before < endAfter.length && got.length >= endAfter.length) socket.end();
    });
    socket.on('end', () => {
      end = 'ended';
      socket.end();
    });
    socket.on('error', () => (end = 'reset'));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve({ got: proxy.normalised(got), end });
    });
  });
}

const GET = 'GET /tcp HTTP/1.1\r\nHost: a\r\n\r\n';

/** Up and back through an upstream that sends back what it gets, once it has sent its first answer. */
function echo(proxy: RowContext, size: number): Promise<Observation> {
  const greeting = 'HTTP/1.1 101 Switching Protocols\r\n\r\n';
  proxy.upstream('b1').replyWith({ at: 'head', bytes: greeting, then: 'echo' });
  return new Promise((resolve, reject) => {
    const sent = Buffer.alloc(size, 'heddle ').toString('latin1');
    let got = '';
    const socket = connect({ port: proxy.port('TCP'), host: '127.0.0.1', allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`${got.length} bytes came back`));
    }, 5000);
    socket.on('connect', () => socket.write(GET));
    socket.on('data', (chunk: Buffer) => {
      const greeted = got.length >= greeting.length;
      got += chunk.toString('latin1');
      if (!greeted && got.length >= greeting.length) socket.end(sent);
    });
    socket.on('error', reject);
    socket.on('end', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ greeted: got.startsWith(greeting), whole: got.slice(greeting.length) === sent });
    });
  });
}

export const tcpProxy: ConformanceSuite = {
  file: '12-tcp-proxy',
  upstreams: ['b1', 'b2'],
  rows: [
    {
      title: 'bytes pass as they are',
      observe: async (proxy) => {
        const answer = await talk(proxy, 'TCP', {
          send: 'GET /tcp HTTP/1.1\r\nHOST:  a\r\nX: 1\r\n\r\n',
          endAfter: 'HTTP',
        });
        return { ...answer, ...proxy.received() };
      },
    },
    {
      title: 'the answer still comes after the client has ended its side',
      observe: async (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: `HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate`,
          then: 'end',
        });
        return { ...(await talk(proxy, 'TCP', { send: GET })), ...proxy.received() };
      },
    },
    {
      title: 'bytes come back as they are',
      observe: (proxy) =>
        talk(proxy, 'ECHO', { send: 'GET / HTTP/1.1\r\nHOST:  a\r\n\r\n', endAfter: 'HOST' }),
    },
    {
      title: 'the upstream ends first',
      observe: async (proxy) => {
        proxy
          .upstream('b1')
          .replyWith({ bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', then: 'end' });
        return {
          ...(await talk(proxy, 'TCP', { send: GET, endAfter: 'never that much'.repeat(20) })),
          ...proxy.received(),
        };
      },
    },
    { title: 'a megabyte both ways', observe: (proxy) => echo(proxy, 1 << 20) },
    {
      title: 'an upstream that refuses',
      observe: (proxy) => talk(proxy, 'TO_REFUSED', { send: '', endAfter: 'x' }).then(({ got }) => got),
    },
    {
      title: 'a cluster that is not there',
      observe: (proxy) => talk(proxy, 'TO_MISSING', { send: '', endAfter: 'x' }).then(({ got }) => got),
    },
    {
      title: 'weighted clusters, by connection',
      observe: async (proxy) => {
        const counts: Record<string, number> = { b1: 0, b2: 0 };
        for (let i = 0; i < 300; i++) {
          const { got } = await talk(proxy, 'WEIGHTED', { send: GET, endAfter: 'HTTP' });
          const name = /\n(b\d) /.exec(got)?.[1] ?? got;
          counts[name] = (counts[name] ?? 0) + 1;
        }
        proxy.received();
        assert.ok(Math.abs((counts['b1'] ?? 0) / 300 - 0.75) < 0.13, JSON.stringify(counts));
        return Object.keys(counts);
      },
    },
  ],
};
