import { X509Certificate } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { TlsParametersConfig } from '@heddle/engine';
import { contextOptions } from './context-options.js';
import type { TlsMaterial } from './context-secrets.js';
import { readLeafCertificate, type LeafCertificate } from './leaf-certificate.js';
import { nodeTls } from './node-tls.js';
import { RecentMap } from './recent-map.js';

/** A session to be resumed, with the certificate that was verified when it began: a resumed handshake shows none. */
export interface KeptSession {
  readonly session: Buffer;
  readonly peer: LeafCertificate | undefined;
  /** Monotonic. */
  readonly keptAtMs: number;
}

/** A session of about 1.3 KB each. */
const MOST_SESSIONS = 2048;
/** A peer is asked for its certificate anew after this, whatever its session would allow. */
const OLDEST_SESSION_MS = 5 * 60_000;

/**
 * One generation of a client's certificate and trust: OpenSSL's context, and the sessions that began in it.
 *
 * Clusters of the same certificate and trust share one. When either changes there is a new one, and the sessions are gone with the
 * old one.
 */
export class ClientContext {
  readonly secureContext: SecureContext;
  readonly verifiesChain: boolean;
  readonly local: LeafCertificate | undefined;
  readonly material: TlsMaterial;
  readonly #sessions: RecentMap<string, KeptSession>;

  /** Errors: throws, OpenSSL's errors among others, where it could not connect with what it is given. */
  constructor(parameters: TlsParametersConfig, material: TlsMaterial, onSessionEvicted: () => void) {
    const { certificates, trust } = material;
    this.material = material;
    this.secureContext = nodeTls().createSecureContext(contextOptions(parameters, certificates, trust));
    this.verifiesChain = trust !== undefined && trust.rootsPem !== '';
    const chainPem = certificates[0]?.chainPem;
    if (chainPem !== undefined) {
      const read = readLeafCertificate(new X509Certificate(chainPem).raw);
      if (!read.ok) throw new Error(`our own certificate cannot be used: ${read.problem}`);
      this.local = read.certificate;
    }
    this.#sessions = new RecentMap(MOST_SESSIONS, onSessionEvicted);
  }

  /** The session for this key, unless it is too old. The key names the host, the server's name and whom it has to be. */
  session(key: string, nowMs: number): KeptSession | undefined {
    const kept = this.#sessions.get(key);
    if (kept === undefined || nowMs - kept.keptAtMs <= OLDEST_SESSION_MS) return kept;
    this.#sessions.delete(key);
    return undefined;
  }

  keep(key: string, session: KeptSession): void {
    this.#sessions.set(key, session);
  }

  forget(key: string): void {
    this.#sessions.delete(key);
  }
}
