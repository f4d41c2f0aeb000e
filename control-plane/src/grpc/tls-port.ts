import { constants } from 'node:crypto';
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { ServerCredentials, type Server as GrpcServer } from '@grpc/grpc-js';
import type { Logger } from '@heddle/common';
import { listen } from '../listen.js';

export interface TlsPortOptions {
  /** What is served there. */
  readonly grpc: GrpcServer;
  /** Key, certificate and the roots by which clients are checked. */
  readonly context: SecureContextOptions;
  readonly log: Logger;
  /** Connections above this are closed at once. Default 12,000. */
  readonly maxConnections?: number;
  /** How many handshakes go on at a time, so that a thousand of them leave the process responsive. Default 32. */
  readonly maxHandshakes?: number;
  /** Default 5 s. */
  readonly handshakeTimeoutMs?: number;
}

/** What a TLS port counts. */
export interface TlsPortCounts {
  readonly connections: number;
  readonly handshakeFailures: number;
  /** Client certificates that no trusted root stands behind, or that have expired: they prove nothing. */
  readonly untrustedCertificates: number;
  /** Connections that were one too many. */
  readonly overflow: number;
}

/**
 * A port on which gRPC is spoken over TLS, with certificates that can be exchanged while it serves.
 *
 * A client may bring a certificate and need not: who it is, is decided for each call (`getAuthContext` of a call gives a
 * certificate only where its chain was verified). There are no session tickets, for a resumed session is not verified
 * again; connections last, so that they would save little.
 */
export class TlsPort {
  readonly #options: TlsPortOptions;
  readonly #tls: Server;
  readonly #tcp: TcpServer;
  readonly #waiting: Socket[] = [];
  readonly #open = new Set<Socket>();
  /** What ends each handshake under way, by its peer: of one port's connections no two have the same. */
  readonly #shaking = new Map<string, () => void>();
  #handshakeFailures = 0;
  #untrustedCertificates = 0;
  #overflow = 0;

  constructor(options: TlsPortOptions) {
    this.#options = options;
    const { grpc, context, log, handshakeTimeoutMs = 5_000 } = options;
    // grpc-js makes no TLS server that asks for a certificate and takes clients without one.
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tls = createTlsServer({
      ...contextOptions(context),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: handshakeTimeoutMs,
    });
    this.#tls.on('secureConnection', (socket) => {
      this.#shaking.get(peerOf(socket))?.();
      this.#noteCertificate(socket);
      if (socket.alpnProtocol === 'h2') injector.injectConnection(socket);
      else socket.destroy();
    });
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#handshakeFailures++;
      log.debug('handshake failed', { peer: peerOf(socket), error: error.message });
      // Node leaves a socket open whose handshake took too long.
      socket.destroy();
    });
    this.#tcp = createTcpServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#tcp.maxConnections = options.maxConnections ?? 12_000;
    this.#tcp.on('drop', () => this.#overflow++);
  }

  get counts(): TlsPortCounts {
    return {
      connections: this.#open.size,
      handshakeFailures: this.#handshakeFailures,
      untrustedCertificates: this.#untrustedCertificates,
      overflow: this.#overflow,
    };
  }

  /** Resolves with the port. Errors: it is taken. */
  listen(host: string, port: number): Promise<number> {
    return listen(this.#tcp, host, port, this.#options.log);
  }

  /** Every later handshake uses these; connections that stand go on. */
  replaceContext(context: SecureContextOptions): void {
    this.#tls.setSecureContext(contextOptions(context));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#tcp.close(() => resolve());
      for (const socket of this.#open) socket.destroy();
    });
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    // Until TLS has it, nobody else listens for its errors.
    socket.on('error', () => undefined);
    this.#waiting.push(socket);
    this.#shakeNext();
  }

  #shakeNext(): void {
    const { maxHandshakes = 32 } = this.#options;
    while (this.#shaking.size < maxHandshakes) {
      const socket = this.#waiting.shift();
      if (socket === undefined) return;
      if (!socket.destroyed) this.#shake(socket);
    }
  }

  #shake(socket: Socket): void {
    const peer = peerOf(socket);
    const over = (): void => {
      // Not within this one, so that others get their turn in between.
      if (this.#shaking.delete(peer)) setImmediate(() => this.#shakeNext());
    };
    this.#shaking.set(peer, over);
    socket.once('close', over);
    this.#tls.emit('connection', socket);
  }

  #noteCertificate(socket: TLSSocket): void {
    if (socket.authorized || socket.getPeerX509Certificate() === undefined) return;
    this.#untrustedCertificates++;
    this.#options.log.info('client certificate refused', {
      peer: peerOf(socket),
      reason: String(socket.authorizationError),
    });
  }
}

function contextOptions(context: SecureContextOptions): SecureContextOptions {
  return { ...context, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET };
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
}
