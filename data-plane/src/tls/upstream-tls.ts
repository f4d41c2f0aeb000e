import { createHash } from 'node:crypto';
import { Socket, type TcpNetConnectOpts } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { NO_PEER_RULES, type UpstreamTlsConfig } from '@heddle/engine';
import { ClientContext, type KeptSession } from './client-context.js';
import { alpnBytes, materialDigest, withoutHttp2 } from './context-options.js';
import {
  ContextSecrets,
  checkNamesHaveRoots,
  verifiesAnything,
  type TlsMaterial,
} from './context-secrets.js';
import type { LeafCertificate } from './leaf-certificate.js';
import { nodeTls } from './node-tls.js';
import { PeerPolicy, type PeerRefusal } from './peer-policy.js';
import type { TlsShared } from './tls-shared.js';
import { recordTlsInfo } from './tls-socket-info.js';
import type { TlsStats } from './tls-stats.js';
import { isChainProblem, tlsErrorText, verifyFailureText } from './transport-failure.js';
import {
  VERIFIED_EVENT,
  type SpokenProtocols,
  type UpstreamTarget,
  type UpstreamTransport,
} from './transport.js';

/** One generation of a cluster's context: what is shared with other clusters, and what is asked of its hosts. */
interface Generation {
  readonly context: ClientContext;
  readonly policy: PeerPolicy;
  readonly asksForCertificate: boolean;
}

/** The types of `tls.connect` leave out what it hands on to the socket. */
type SocketOptions = ConnectionOptions &
  Pick<TcpNetConnectOpts, 'allowHalfOpen' | 'localAddress' | 'localPort' | 'onread'>;

/** TLS with the hosts of one cluster. */
export class UpstreamTls implements UpstreamTransport {
  readonly #config: UpstreamTlsConfig;
  readonly #shared: TlsShared;
  readonly #stats: TlsStats;
  readonly #secrets: ContextSecrets;
  readonly #alpn: Readonly<Record<SpokenProtocols, Uint8Array | undefined>>;
  /** Whom the hosts have to be: a session that began with somebody else is never offered. */
  #identity = '';
  #generation: Generation | undefined;
  #contextKey = '';

  constructor(config: UpstreamTlsConfig, stats: TlsStats, shared: TlsShared) {
    this.#config = config;
    this.#shared = shared;
    this.#stats = stats;
    this.#alpn = {
      http1: alpnBytes(withoutHttp2(config.alpnProtocols)),
      // As Envoy, where nothing is configured.
      http2: alpnBytes(config.alpnProtocols.length === 0 ? ['h2'] : config.alpnProtocols),
      auto: alpnBytes(config.alpnProtocols.length === 0 ? ['h2', 'http/1.1'] : config.alpnProtocols),
      any: alpnBytes(config.alpnProtocols),
    };
    this.#secrets = new ContextSecrets(config, shared, (material) => this.#use(material));
  }

  start(onWarm: () => void): void {
    this.#secrets.start(onWarm);
  }

  close(): void {
    this.#secrets.close();
    this.#shared.clientContexts.release(this.#contextKey);
    this.#contextKey = '';
  }

  connect(target: UpstreamTarget, protocols: SpokenProtocols, sni = this.#config.sni): Socket {
    const generation = this.#generation;
    if (generation === undefined) return this.#refused();
    const { context } = generation;
    const { clock } = this.#shared;
    const sessionKey = `${target.addressText}|${sni}|${this.#identity}`;
    const kept = this.#config.resumption ? context.session(sessionKey, clock.monotonicMs()) : undefined;
    const usable = kept?.peer === undefined || kept.peer.notAfterMs > clock.nowMs() ? kept : undefined;
    const alpn = this.#alpn[protocols];
    const { address, bindAddress, inner } = target;
    const options: SocketOptions = {
      secureContext: context.secureContext,
      rejectUnauthorized: context.verifiesChain,
      // Names are read from the DER, on every connection; see #accept.
      checkServerIdentity: () => undefined,
      allowHalfOpen: true,
      ...(sni === '' ? {} : { servername: sni }),
      ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
      ...(usable === undefined ? {} : { session: usable.session }),
      ...(inner === undefined ? {} : { socket: inner }),
      ...(address.kind === 'pipe' ? { path: address.path } : {}),
      ...(address.kind === 'socket' ? { host: address.host, port: address.port } : {}),
      ...(bindAddress?.kind === 'socket'
        ? { localAddress: bindAddress.host, localPort: bindAddress.port }
        : {}),
    };
    const { makeSocket } = target;
    const socket =
      makeSocket === undefined || inner !== undefined
        ? nodeTls().connect(options)
        : makeSocket((onread) =>
            nodeTls().connect(onread === undefined ? options : ({ ...options, onread } as SocketOptions)),
          );
    // Node makes its old object of the certificate even where nobody asks for it, at a seventh of the handshake's cost.
    Object.defineProperty(socket, 'getPeerCertificate', { value: nothing, configurable: true });
    if (address.kind === 'socket') {
      socket.setNoDelay(true);
      if (target.keepAliveIdleMs !== undefined) socket.setKeepAlive(true, target.keepAliveIdleMs);
    }
    this.#watch(socket, generation, sessionKey, usable, sni);
    return socket;
  }

  #watch(
    socket: TLSSocket,
    generation: Generation,
    sessionKey: string,
    offered: KeptSession | undefined,
    sni: string,
  ): void {
    let peer: LeafCertificate | undefined;
    let isAccepted = false;
    let isRefused = false;
    socket.on('error', (error: Error) => {
      if (isRefused) return;
      const text = tlsErrorText(error);
      // Whoever else listens reads Envoy's words.
      error.message = text;
      if (isAccepted) return;
      this.#stats.connectionError.inc();
      // It may have failed for its session's sake.
      if (offered !== undefined) generation.context.forget(sessionKey);
      if (isChainProblem(error)) this.#stats.failVerifyError.inc();
    });
    socket.once('secureConnect', () => {
      const resumed = socket.isSessionReused();
      const read = this.#read(socket, resumed, offered);
      peer = read.peer;
      const refusal = read.refusal ?? this.#refusal(generation, peer);
      if (refusal !== undefined) {
        isRefused = true;
        this.#refuse(socket, refusal);
        if (resumed) generation.context.forget(sessionKey);
        return;
      }
      isAccepted = true;
      const info = recordTlsInfo(socket, sni, peer, generation.context.local);
      this.#stats.countHandshake(info.version, info.cipherSuite, resumed);
      if (peer === undefined) this.#stats.noCertificate.inc();
      socket.emit(VERIFIED_EVENT);
    });
    if (!this.#config.resumption) return;
    socket.on('session', (session: Buffer) => {
      // Sessions of peers that were refused are never kept.
      if (!isAccepted) return;
      // The age counts from the handshake that showed the certificate, not from a resumption of it.
      const keptAtMs =
        offered !== undefined && socket.isSessionReused()
          ? offered.keptAtMs
          : this.#shared.clock.monotonicMs();
      generation.context.keep(sessionKey, { session, peer, keptAtMs });
    });
  }

  /** The peer's certificate: shown now, or kept from when the session began. */
  #read(
    socket: TLSSocket,
    resumed: boolean,
    offered: KeptSession | undefined,
  ): { readonly peer?: LeafCertificate | undefined; readonly refusal?: PeerRefusal } {
    if (resumed) return { peer: offered?.peer };
    // Asked for once: Node 20 gives it once only.
    const der = socket.getPeerX509Certificate()?.raw;
    if (der === undefined) return {};
    const read = this.#shared.certificates.read(der);
    return read.ok
      ? { peer: read.certificate }
      : { refusal: { failure: 'verify-error', reason: `the certificate cannot be used: ${read.problem}` } };
  }

  #refusal(generation: Generation, peer: LeafCertificate | undefined): PeerRefusal | undefined {
    if (!generation.asksForCertificate) return undefined;
    return peer === undefined
      ? { failure: 'no-certificate', reason: 'the server presented no certificate' }
      : generation.policy.refuse(peer, this.#shared.clock.nowMs());
  }

  #refuse(socket: TLSSocket, { failure, reason }: PeerRefusal): void {
    this.#stats.connectionError.inc();
    this.#stats.countRefusal(failure);
    socket.destroy(new Error(verifyFailureText(reason)));
  }

  /** A socket that fails in the next turn: there is nothing to speak TLS with. */
  #refused(): Socket {
    this.#stats.secretsNotReady.inc();
    const socket = new Socket();
    setImmediate(() =>
      socket.destroy(new Error(`TLS_error: secrets are missing: ${this.#secrets.missing().join(', ')}`)),
    );
    return socket;
  }

  #use(material: TlsMaterial): void {
    const { parameters } = this.#config;
    const { certificates, trust } = material;
    // The rules are asked of each connection, so clusters that differ in them alone share a context.
    const shareable: TlsMaterial = {
      certificates,
      trust: trust === undefined ? undefined : { ...trust, rules: NO_PEER_RULES },
    };
    const key = JSON.stringify([parameters, materialDigest(shareable)]);
    const rules = trust?.rules ?? NO_PEER_RULES;
    const identity = createHash('sha256').update(JSON.stringify(rules)).digest('base64url');
    if (key === this.#contextKey && identity === this.#identity) return;
    let context: ClientContext;
    try {
      checkNamesHaveRoots(trust);
      context = this.#shared.clientContexts.take(
        key,
        () => new ClientContext(parameters, shareable, () => this.#shared.sessionsEvicted.inc()),
      );
    } catch (error) {
      this.#shared.log.error('certificates cannot be used for TLS, those before them stay in force', {
        problem: error instanceof Error ? error.message : 'unknown',
      });
      return;
    }
    if (this.#generation !== undefined) this.#stats.contextUpdateBySds.inc();
    this.#shared.clientContexts.release(this.#contextKey);
    this.#contextKey = key;
    this.#identity = identity;
    this.#generation = {
      context,
      policy: new PeerPolicy(rules),
      asksForCertificate: verifiesAnything(trust),
    };
  }
}

function nothing(): undefined {
  return undefined;
}
