import { X509Certificate, constants, createHmac, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext, Server, TLSSocket, TlsOptions } from 'node:tls';
import { NO_PEER_RULES, type DownstreamTlsConfig } from '@heddle/engine';
import { contextOptions } from './context-options.js';
import { checkNamesHaveRoots, verifiesAnything, type TlsMaterial } from './context-secrets.js';
import { readLeafCertificate, type LeafCertificate } from './leaf-certificate.js';
import { nodeTls, socketBelow } from './node-tls.js';
import { PeerPolicy, dnsNameMatches } from './peer-policy.js';

/** Told of one handshake, once, by one of the two. */
export interface HandshakeCallbacks {
  /** TLS is through. Nothing is decided about the peer yet. */
  onSecure(socket: TLSSocket): void;
  onFailed(error: Error): void;
}

interface Handshake {
  readonly callbacks: HandshakeCallbacks;
  readonly onClose: () => void;
}

/** By what a session that began in one thread is known in another. */
export interface SharedSessions {
  readonly sessionIdContext: string;
  /** 48 bytes. */
  readonly ticketKeys: Buffer;
}

/**
 * Derives it from a secret that the threads share, so that all of them know the sessions of one generation of certificates and trust,
 * and no other's.
 */
export function sharedSessions(secret: Buffer, generation: string): SharedSessions {
  const derived = (purpose: string): Buffer =>
    createHmac('sha384', secret).update(`${purpose} ${generation}`).digest();
  return {
    sessionIdContext: derived('context').toString('hex', 0, 16),
    ticketKeys: derived('tickets'),
  };
}

/** Node's own deadline never counts: ours begins when the connection is accepted. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * One generation of a server's certificates and trust: the `tls.Server` that its connections go through.
 *
 * It is a `tls.Server` and never a bare `TLSSocket`, because only the former has the client's chain verified. It lets the handshake of
 * a client that it could not verify come to its end, because otherwise nobody learns why: whoever gets the socket must look at
 * `authorized`, and at the certificate. Ticket keys are OpenSSL's own and random, or derived for this generation where several threads
 * share them, so no session outlives the generation that it began in.
 */
export class ServerContext {
  readonly asksForCertificate: boolean;
  /** Whether `authorized` has to be true; otherwise the policy's hashes alone decide. */
  readonly verifiesChain: boolean;
  readonly policy: PeerPolicy;
  /** What clients may agree on, in our order. */
  readonly alpnProtocols: readonly string[];
  readonly material: TlsMaterial;
  readonly #certificates: readonly LeafCertificate[];
  readonly #options: TlsOptions;
  /** Under way, by the accepted socket. */
  readonly #handshakes = new Map<Socket, Handshake>();
  #server: Server | undefined;
  #serverWithoutAlpn: Server | undefined;

  /** Errors: throws, OpenSSL's errors among others, where it could not serve with what it is given. */
  constructor(
    config: DownstreamTlsConfig,
    material: TlsMaterial,
    alpnProtocols: readonly string[],
    sharedSessions?: SharedSessions,
  ) {
    const { certificates, trust } = material;
    this.material = material;
    checkNamesHaveRoots(trust);
    if (config.requireClientCertificate && !verifiesAnything(trust)) {
      throw new Error('clients need a certificate, and there is nothing to verify it with');
    }
    this.verifiesChain = trust !== undefined && trust.rootsPem !== '';
    this.asksForCertificate = verifiesAnything(trust);
    this.policy = new PeerPolicy(trust?.rules ?? NO_PEER_RULES);
    this.alpnProtocols = alpnProtocols;
    this.#certificates = certificates.map(({ chainPem }) => leafOf(chainPem));
    const optionsFor = (group: readonly number[]): TlsOptions => ({
      ...contextOptions(
        config.parameters,
        group.map((index) => certificates[index] as (typeof certificates)[number]),
        trust,
      ),
      ...(config.sessionTimeoutMs > 0 ? { sessionTimeout: Math.ceil(config.sessionTimeoutMs / 1000) } : {}),
    });
    const first = sameNames(this.#certificates, 0);
    const options = optionsFor(first);
    this.#options = {
      ...options,
      secureOptions:
        (options.secureOptions ?? 0) | (config.statelessResumption ? 0 : constants.SSL_OP_NO_TICKET),
      ...(sharedSessions ?? { sessionIdContext: randomBytes(16).toString('hex') }),
      requestCert: this.asksForCertificate,
      rejectUnauthorized: false,
      handshakeTimeout: NEVER_MS,
      ...(first.length === certificates.length ? {} : { SNICallback: this.#chooseByName(optionsFor) }),
    };
    // Made now, so that what is wrong is found before the first connection.
    this.#server = this.#createServer(alpnProtocols);
  }

  /** Our certificate that the client was shown. */
  localCertificate(socket: TLSSocket): LeafCertificate | undefined {
    if (this.#certificates.length === 1) return this.#certificates[0];
    const raw = socket.getX509Certificate()?.raw;
    return raw && this.#certificates.find(({ der }) => der.equals(raw));
  }

  /**
   * Shakes hands on an accepted socket, whose bytes that were read already are `unshift`ed.
   *
   * A client whose protocols are none of ours is served without one, as in Envoy; OpenSSL would refuse it.
   */
  handshake(socket: Socket, clientProtocols: readonly string[], callbacks: HandshakeCallbacks): void {
    const handshake: Handshake = { callbacks, onClose: () => this.#onClose(socket) };
    socket.on('close', handshake.onClose);
    this.#handshakes.set(socket, handshake);
    const agrees =
      clientProtocols.length === 0 ||
      clientProtocols.some((protocol) => this.alpnProtocols.includes(protocol));
    const server = agrees ? this.#server : (this.#serverWithoutAlpn ??= this.#createServer([]));
    server?.emit('connection', socket);
  }

  #createServer(alpnProtocols: readonly string[]): Server {
    const server = nodeTls().createServer({
      ...this.#options,
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      const handshake = this.#end(socketBelow(socket));
      // A socket that nobody waits for is nobody's to serve.
      if (handshake === undefined) socket.destroy();
      else handshake.callbacks.onSecure(socket);
    });
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      // One whose socket has closed was told of by that.
      this.#end(socketBelow(socket))?.callbacks.onFailed(error);
    });
    return server;
  }

  #onClose(socket: Socket): void {
    this.#end(socket)?.callbacks.onFailed(new Error('the connection was closed during the handshake'));
  }

  #end(socket: Socket | undefined): Handshake | undefined {
    const handshake = socket && this.#handshakes.get(socket);
    if (handshake === undefined) return undefined;
    this.#handshakes.delete(socket as Socket);
    (socket as Socket).removeListener('close', handshake.onClose);
    return handshake;
  }

  /** Source: Envoy chooses the certificate whose DNS names match the SNI, exactly, else by a wildcard, else the first. */
  #chooseByName(
    optionsFor: (group: readonly number[]) => TlsOptions,
  ): NonNullable<TlsOptions['SNICallback']> {
    const contexts = new Map<string, SecureContext>();
    return (name, callback) => {
      const wanted = name.toLowerCase();
      const matching = (matches: (san: string) => boolean): readonly number[] =>
        this.#certificates.flatMap(({ dnsSans }, index) => (dnsSans.some(matches) ? [index] : []));
      const exact = matching((san) => san.toLowerCase() === wanted);
      const group = exact.length > 0 ? exact : matching((san) => dnsNameMatches(san, wanted));
      if (group.length === 0) {
        callback(null);
        return;
      }
      // As many as there are groups of certificates of one name, whatever names are asked for.
      const key = group.join();
      let context = contexts.get(key);
      if (context === undefined) {
        context = nodeTls().createSecureContext(optionsFor(group));
        contexts.set(key, context);
      }
      callback(null, context);
    };
  }
}

function leafOf(chainPem: string): LeafCertificate {
  const read = readLeafCertificate(new X509Certificate(chainPem).raw);
  if (!read.ok) throw new Error(`our own certificate cannot be used: ${read.problem}`);
  return read.certificate;
}

/** The certificates that stand for the same names, which differ in the kind of their keys. */
function sameNames(certificates: readonly LeafCertificate[], index: number): readonly number[] {
  const names = (certificate: LeafCertificate | undefined): string =>
    JSON.stringify([...(certificate?.dnsSans ?? [])].sort());
  const wanted = names(certificates[index]);
  return certificates.flatMap((one, i) => (names(one) === wanted ? [i] : []));
}
