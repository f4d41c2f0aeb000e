import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Timer } from '@heddle/common';
import type { DownstreamTlsConfig } from '@heddle/engine';
import { materialDigest } from './context-options.js';
import { ContextSecrets, type TlsMaterial } from './context-secrets.js';
import type { HandshakeTurn } from './handshake-queue.js';
import type { LeafCertificate } from './leaf-certificate.js';
import type { PeerRefusal } from './peer-policy.js';
import { ServerContext, sharedSessions, type SharedSessions } from './server-context.js';
import { recordTlsInfo } from './tls-socket-info.js';
import type { TlsStats } from './tls-stats.js';
import { chainProblemText, tlsErrorText, verifyFailureText } from './transport-failure.js';
import type { ClientHelloFacts, DownstreamTransport, DownstreamTransportCallbacks } from './transport.js';
import type { TlsShared } from './tls-shared.js';

/** Envoy has none, which lets clients that stop in the middle of a handshake hold connections for ever. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A handshake that has not ended by then waits for its client, and need not hold up the next one. */
const STALLED_AFTER_MS = 250;

const NO_SNI = 'the client named no server, and the configuration demands that it does';

/** TLS with the clients of one filter chain. */
export class DownstreamTls implements DownstreamTransport {
  readonly #config: DownstreamTlsConfig;
  readonly #alpn: readonly string[];
  readonly #timeoutMs: number;
  readonly #shared: TlsShared;
  readonly #stats: TlsStats;
  readonly #secrets: ContextSecrets;
  #context: ServerContext | undefined;
  #contextKey = '';

  /** `alpnProtocols` are those of the configuration that the chain speaks. `timeoutMs` 0 stands for the default. */
  constructor(
    config: DownstreamTlsConfig,
    alpnProtocols: readonly string[],
    timeoutMs: number,
    stats: TlsStats,
    shared: TlsShared,
  ) {
    this.#config = config;
    this.#alpn = alpnProtocols;
    this.#timeoutMs = timeoutMs === 0 ? HANDSHAKE_TIMEOUT_MS : timeoutMs;
    this.#stats = stats;
    this.#shared = shared;
    this.#secrets = new ContextSecrets(config, shared, (material) => this.#use(material));
  }

  start(onWarm: () => void): void {
    this.#secrets.start(onWarm);
  }

  close(): void {
    this.#secrets.close();
    this.#shared.serverContexts.release(this.#contextKey);
    this.#contextKey = '';
  }

  accept(
    socket: Socket,
    hello: ClientHelloFacts,
    address: string,
    callbacks: DownstreamTransportCallbacks,
  ): void {
    const context = this.#context;
    if (context === undefined) {
      this.#stats.secretsNotReady.inc();
      socket.destroy();
      callbacks.onFailed(`TLS_error: secrets are missing: ${this.#secrets.missing().join(', ')}`);
      return;
    }
    new Acceptance(this, context, socket, hello, callbacks).begin(address);
  }

  get config(): DownstreamTlsConfig {
    return this.#config;
  }

  get shared(): TlsShared {
    return this.#shared;
  }

  get stats(): TlsStats {
    return this.#stats;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  #use(material: TlsMaterial): void {
    const key = JSON.stringify([this.#config, this.#alpn, materialDigest(material)]);
    if (key === this.#contextKey) return;
    let context: ServerContext;
    try {
      context = this.#shared.serverContexts.take(
        key,
        () => new ServerContext(this.#config, material, this.#alpn, this.#sharedSessions(material)),
      );
    } catch (error) {
      this.#shared.log.error('certificates cannot be used for TLS, those before them stay in force', {
        problem: error instanceof Error ? error.message : 'unknown',
      });
      return;
    }
    if (this.#context !== undefined) this.#stats.contextUpdateBySds.inc();
    this.#shared.serverContexts.release(this.#contextKey);
    this.#contextKey = key;
    this.#context = context;
  }

  /** Other threads have the same configuration and the same texts, though not the same digests of keys. */
  #sharedSessions({ certificates, trust }: TlsMaterial): SharedSessions | undefined {
    const { ticketSecret } = this.#shared;
    if (ticketSecret === undefined) return undefined;
    const chains = certificates.map(({ chainPem }) => chainPem);
    return sharedSessions(ticketSecret, JSON.stringify([this.#config, this.#alpn, chains, trust]));
  }
}

/** One connection from its first byte until its peer is accepted or refused. */
class Acceptance {
  readonly #owner: DownstreamTls;
  readonly #context: ServerContext;
  readonly #socket: Socket;
  readonly #hello: ClientHelloFacts;
  readonly #callbacks: DownstreamTransportCallbacks;
  readonly #timer: Timer;
  #turn: HandshakeTurn | undefined;
  #stalled: Timer | undefined;
  #isOver = false;
  readonly #onClose = (): void => this.#fail('the client closed the connection before the handshake');

  constructor(
    owner: DownstreamTls,
    context: ServerContext,
    socket: Socket,
    hello: ClientHelloFacts,
    callbacks: DownstreamTransportCallbacks,
  ) {
    this.#owner = owner;
    this.#context = context;
    this.#socket = socket;
    this.#hello = hello;
    this.#callbacks = callbacks;
    this.#timer = owner.shared.clock.setTimer(owner.timeoutMs, () => {
      this.#fail('the TLS handshake did not end in time', { isTimeout: true });
    });
    socket.on('error', ignore);
  }

  begin(address: string): void {
    if (this.#owner.config.requireSni && this.#hello.serverName === '') {
      this.#fail(NO_SNI);
      return;
    }
    this.#socket.once('close', this.#onClose);
    const turn = this.#owner.shared.handshakes.ask(address, () => this.#shakeHands());
    if (turn === undefined) this.#fail('too many connections wait for their TLS handshake');
    else if (this.#isOver) turn.end();
    else this.#turn = turn;
  }

  #shakeHands(): void {
    const socket = this.#socket;
    socket.removeListener('close', this.#onClose);
    if (this.#hello.early !== undefined) socket.unshift(this.#hello.early);
    this.#stalled = this.#owner.shared.clock.setTimer(STALLED_AFTER_MS, () => this.#turn?.end());
    this.#context.handshake(socket, this.#hello.applicationProtocols, {
      onSecure: (secure) => this.#onSecure(secure),
      onFailed: (error) => {
        if ((error as NodeJS.ErrnoException).code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') {
          this.#owner.stats.failVerifyNoCert.inc();
        }
        // TLS may still have to tell the client why.
        this.#fail(tlsErrorText(error), { closes: 'later' });
      },
    });
  }

  #onSecure(socket: TLSSocket): void {
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    const { stats, shared } = this.#owner;
    let peer: LeafCertificate | undefined;
    if (this.#context.asksForCertificate) {
      const der = socket.getPeerX509Certificate()?.raw;
      const read = der && shared.certificates.read(der);
      if (read?.ok === true) peer = read.certificate;
      const refusal =
        read?.ok === false
          ? ({ failure: 'verify-error', reason: `the certificate cannot be used: ${read.problem}` } as const)
          : this.#refusal(socket, peer);
      if (refusal !== undefined) {
        stats.countRefusal(refusal.failure);
        socket.destroy();
        this.#fail(verifyFailureText(refusal.reason));
        return;
      }
    }
    if (peer === undefined) stats.noCertificate.inc();
    this.#end();
    const info = recordTlsInfo(socket, this.#hello.serverName, peer, this.#context.localCertificate(socket));
    stats.countHandshake(info.version, info.cipherSuite, info.resumed);
    this.#callbacks.onAccepted(socket, info);
  }

  /**
   * Whether the peer is refused, on this connection, resumed or not.
   *
   * A resumed session of TLS 1.3 without a certificate counts as authorised in Node: without a certificate nobody is anybody.
   */
  #refusal(socket: TLSSocket, peer: LeafCertificate | undefined): PeerRefusal | undefined {
    if (peer === undefined) {
      return this.#owner.config.requireClientCertificate
        ? { failure: 'no-certificate', reason: 'the client presented no certificate' }
        : undefined;
    }
    if (this.#context.verifiesChain && !socket.authorized) {
      // The types say an Error; it is the code of one.
      const code = String(socket.authorizationError as unknown);
      return { failure: 'verify-error', reason: chainProblemText(code) };
    }
    return this.#context.policy.refuse(peer, this.#owner.shared.clock.nowMs());
  }

  #fail(
    reason: string,
    {
      closes = 'now',
      isTimeout = false,
    }: { readonly closes?: 'now' | 'later'; readonly isTimeout?: boolean } = {},
  ): void {
    if (this.#isOver) return;
    this.#end();
    this.#owner.stats.connectionError.inc();
    if (closes === 'now') this.#socket.destroy();
    else setImmediate(() => this.#socket.destroy());
    this.#callbacks.onFailed(reason, isTimeout);
  }

  #end(): void {
    this.#isOver = true;
    this.#timer.cancel();
    this.#stalled?.cancel();
    this.#turn?.end();
  }
}

function ignore(): void {
  // 'close' follows every error.
}
