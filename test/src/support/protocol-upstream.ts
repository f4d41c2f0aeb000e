import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { forgeCertificate } from '@heddle/certs/testing';

const { certificatePem, keyPem } = forgeCertificate({ commonName: 'upstream' });

/** What an upstream saw of those who connected. */
export interface SeenByUpstream {
  /** Of each connection, what the client offered to speak; empty without ALPN. */
  readonly offered: readonly (readonly string[])[];
  /** Of each request: what it was spoken in. */
  readonly spoken: readonly string[];
}

/** An upstream of Node's own that speaks both versions of HTTP: as TLS agrees, or, without TLS, as its client begins. */
export class ProtocolUpstream {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #offered: (readonly string[])[] = [];
  readonly #spoken: string[] = [];
  readonly #http1 = createHttpServer((request, response) => {
    this.#spoken.push(`HTTP/${request.httpVersion}`);
    response.end('ok');
  });
  readonly #http2 = createHttp2Server((request, response) => {
    this.#spoken.push(`HTTP/${request.httpVersion}`);
    response.end('ok');
  });

  /** `protocols`: those that it agrees on by ALPN, the best first; empty: it knows nothing of ALPN. `plain`: without TLS. */
  private constructor(protocols: readonly string[] | 'plain') {
    if (protocols === 'plain') this.#server = createPlainServer((socket) => this.#sniff(socket));
    else {
      const alpn: TlsOptions = {
        ALPNCallback: (hello) => {
          this.#offered.push(hello.protocols);
          return protocols.find((protocol) => hello.protocols.includes(protocol));
        },
      };
      const options = { cert: certificatePem, key: keyPem, ...(protocols.length > 0 ? alpn : {}) };
      this.#server = createTlsServer(options, (socket) => {
        (socket.alpnProtocol === 'h2' ? this.#http2 : this.#http1).emit('connection', socket);
      });
    }
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async listen(port: number, protocols: readonly string[] | 'plain'): Promise<ProtocolUpstream> {
    const upstream = new ProtocolUpstream(protocols);
    upstream.#server.listen(port, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get seen(): SeenByUpstream {
    return { offered: this.#offered, spoken: this.#spoken };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #sniff(socket: Socket): void {
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null;
      if (first === null) return;
      socket.unshift(first);
      (first.toString('latin1').startsWith('PRI ') ? this.#http2 : this.#http1).emit('connection', socket);
    });
  }
}
