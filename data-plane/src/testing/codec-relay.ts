import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions } from 'node:tls';
import { forgeCertificate, forgeRoot } from '@heddle/certs/testing';
import type { HeaderMap, RequestHead, ResponseHead } from '@heddle/engine';
import { systemClock } from '@heddle/common';
import { ResourceManager } from '../cluster/resource-manager.js';
import { Http1Pool } from '../cluster/conn-pool/http1-pool.js';
import { Deadlines } from '../codec/http1/deadline-queue.js';
import { ServerCodecHttp1 } from '../codec/http1/server-codec.js';
import { adoptSocket, connectSocket, connectTlsSocket } from '../codec/socket-reads.js';
import type {
  ConnectionPool,
  PoolCallbacks,
  PoolFailureReason,
  RequestReceiver,
  RequestSender,
  ResetReason,
  ResponseReceiver,
  ResponseSender,
} from '../codec/stream.js';
import { responseHead } from './recording-receivers.js';
import { SERVER_CODEC_CONFIG } from './server-codec-under-test.js';

/** Relays one request over real codecs, with back-pressure both ways and nothing else. */
class RelayedStream implements RequestReceiver, PoolCallbacks, ResponseReceiver {
  readonly #downstream: ResponseSender;
  readonly #pool: ConnectionPool;
  readonly #waiting: ((sender: RequestSender) => void)[] = [];
  #upstream: RequestSender | undefined;
  #cancel: (() => void) | undefined;
  #responded = false;

  constructor(downstream: ResponseSender, pool: ConnectionPool) {
    this.#downstream = downstream;
    this.#pool = pool;
  }

  onRequestHeaders(head: RequestHead, endStream: boolean): void {
    this.#send((sender) => sender.sendRequestHeaders(head, endStream));
    const pending = this.#pool.newStream(this);
    if (pending !== undefined) this.#cancel = () => pending.cancel();
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    this.#send((sender) => sender.sendRequestData(chunk, endStream));
  }

  onRequestTrailers(trailers: HeaderMap): void {
    this.#send((sender) => sender.sendRequestTrailers(trailers));
  }

  onPoolReady(sender: RequestSender): ResponseReceiver {
    this.#upstream = sender;
    this.#cancel = undefined;
    for (const send of this.#waiting.splice(0)) send(sender);
    return this;
  }

  onPoolFailure(reason: PoolFailureReason): void {
    this.#cancel = undefined;
    this.#downstream.sendResponseHeaders(responseHead(503, { 'x-reason': reason }), true);
  }

  onInformational(head: ResponseHead): void {
    this.#downstream.sendInformational(head);
  }

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    this.#responded = true;
    this.#downstream.sendResponseHeaders(head, endStream);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.#downstream.sendResponseData(chunk, endStream);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    this.#downstream.sendResponseTrailers(trailers);
  }

  /** Of either side: the pool's stream while there is one to answer for, or the client's request. */
  onReset(reason: ResetReason): void {
    this.#cancel?.();
    if (this.#upstream !== undefined && !this.#responded) {
      this.#downstream.sendResponseHeaders(responseHead(502, { 'x-reason': reason }), true);
    } else {
      this.#downstream.reset('local-reset');
    }
    this.#upstream?.reset('local-reset');
  }

  // Both sides' watermarks come here: the other side's reading stops while either is full.
  onAboveWriteBufferHighWatermark(): void {
    this.#upstream?.readDisable(true);
    this.#downstream.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#upstream?.readDisable(false);
    this.#downstream.readDisable(false);
  }

  #send(what: (sender: RequestSender) => void): void {
    if (this.#upstream === undefined) this.#waiting.push(what);
    else what(this.#upstream);
  }
}

/** How a relay reads: its own memory or as any socket of Node; or that it speaks TLS with one of its sides. */
export type RelayKind = 'lent-memory' | 'plain-node' | 'tls-client' | 'tls-server';

const root = forgeRoot('root');
const leaf = forgeCertificate({ issuer: root });

/** A proxy of nothing but the HTTP/1.1 codecs and a pool, on a loopback port of its own. */
export class CodecRelay {
  readonly pool: Http1Pool;
  readonly #server: Server;
  readonly #deadlines = new Deadlines(systemClock);
  readonly #sockets = new Set<Socket>();
  #nextId = 1;

  constructor(upstreamPort: number, bufferLimitBytes: number, kind: RelayKind) {
    this.pool = new Http1Pool({
      connect: () => connectAs(kind, upstreamPort),
      ...(kind === 'tls-client' ? { connectEvent: 'verified' } : {}),
      resources: new ResourceManager({
        maxConnections: 100,
        maxPendingRequests: 100,
        maxRequests: 100,
        maxRetries: 3,
        retryBudget: undefined,
        trackRemaining: false,
      }),
      deadlines: this.#deadlines,
      connectTimeoutMs: 5000,
      idleTimeoutMs: 60_000,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      codec: {
        bufferLimitBytes,
        maxResponseHeadersBytes: 60 * 1024,
        maxHeadersCount: 100,
        preserveHeaderCase: false,
        enableTrailers: true,
      },
      nextConnectionId: () => this.#nextId++,
    });
    this.#server = listenAs(kind, (accepted) => {
      const socket = kind === 'lent-memory' ? adoptSocket(accepted) : accepted;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      new ServerCodecHttp1(
        socket,
        {
          newStream: (sender) => new RelayedStream(sender, this.pool),
          onProtocolError: () => undefined,
          onClose: () => undefined,
        },
        {
          config: SERVER_CODEC_CONFIG,
          bufferLimitBytes,
          deadlines: this.#deadlines,
          id: this.#nextId++,
          scheme: 'http',
        },
      );
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    this.pool.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#deadlines.stop();
  }
}

function connectAs(kind: RelayKind, port: number): Socket {
  const target = { port, host: '127.0.0.1', allowHalfOpen: true };
  switch (kind) {
    case 'lent-memory':
      return connectSocket(target);
    case 'tls-client': {
      const options: ConnectionOptions = {
        ...target,
        ca: root.certificatePem,
        checkServerIdentity: () => undefined,
      };
      const socket = connectTlsSocket((onread) => connectTls(Object.assign(options, { onread })));
      return socket.once('secureConnect', () => socket.emit('verified'));
    }
    default:
      return connect(target);
  }
}

function listenAs(kind: RelayKind, onSocket: (socket: Socket) => void): Server {
  const options = { allowHalfOpen: true, noDelay: true };
  return kind === 'tls-server'
    ? createTlsServer({ ...options, cert: leaf.certificatePem, key: leaf.keyPem }, onSocket)
    : createServer(options, onSocket);
}

/** Relays in a row on their way to a server. */
export interface RelayRow {
  /** Where the first listens. */
  readonly port: number;
  readonly pool: Http1Pool;
  stop(): void;
}

/** Starts one relay, or for TLS two that speak it with each other. */
export async function startRelays(
  upstreamPort: number,
  bufferLimitBytes: number,
  how: 'lent-memory' | 'plain-node' | 'tls',
): Promise<RelayRow> {
  if (how !== 'tls') {
    const relay = new CodecRelay(upstreamPort, bufferLimitBytes, how);
    return { port: await relay.start(), pool: relay.pool, stop: () => relay.stop() };
  }
  const second = new CodecRelay(upstreamPort, bufferLimitBytes, 'tls-server');
  const first = new CodecRelay(await second.start(), bufferLimitBytes, 'tls-client');
  return {
    port: await first.start(),
    pool: first.pool,
    stop: () => {
      first.stop();
      second.stop();
    },
  };
}
