import { X509Certificate, createHash } from 'node:crypto';
import { describeError, silentLogger, type Logger } from '@heddle/common';
import { TrustBundleError } from '../errors.js';
import { isTrustDomain, parseSpiffeId } from '../spiffe-id.js';
import { KeyUsageBit, parseCertificate } from '../x509/certificate-fields.js';
import { formatPem, parsePem } from '../x509/pem.js';
import { ChangeListeners } from './change-listeners.js';

/** A certificate that others are verified with. */
export interface TrustedRoot {
  /** SHA-256 of the DER, in hexadecimal. */
  readonly fingerprint: string;
  readonly pem: string;
  readonly der: Buffer;
  readonly certificate: X509Certificate;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface TrustBundleOptions {
  readonly trustDomain: string;
  /** PEM of the first roots; without them the bundle is empty and verifies nobody. */
  readonly roots?: string;
  /** Default 16. */
  readonly maxRoots?: number;
  /** Hears of listeners that throw. */
  readonly logger?: Logger;
}

/**
 * The roots of one trust domain. Several are trusted at once while roots are rotated.
 *
 * Shape: `generation` grows with every change, and listeners are told after it; a change of the order alone is none.
 * A bundle that has roots never becomes empty again, for then every connection would be refused at once.
 */
export class TrustBundle {
  readonly trustDomain: string;
  readonly #maxRoots: number;
  readonly #logger: Logger;
  readonly #listeners = new ChangeListeners<TrustBundle>();
  #roots: readonly TrustedRoot[] = [];
  #generation = 0;

  /** Errors: TrustBundleError, EncodingError. */
  constructor(options: TrustBundleOptions) {
    if (!isTrustDomain(options.trustDomain)) throw new TrustBundleError('the trust domain has no valid name');
    this.trustDomain = options.trustDomain;
    this.#maxRoots = options.maxRoots ?? 16;
    this.#logger = options.logger ?? silentLogger;
    if (options.roots !== undefined) this.replace(options.roots);
  }

  get generation(): number {
    return this.#generation;
  }

  get roots(): readonly TrustedRoot[] {
    return this.#roots;
  }

  /** All roots as PEM, one text each, as `ca` of node:tls takes them. */
  get pems(): readonly string[] {
    return this.#roots.map((root) => root.pem);
  }

  /**
   * Trusts exactly the roots of this PEM text from now on.
   *
   * Shape: whether anything changed. Errors: TrustBundleError, EncodingError; nothing changed then.
   */
  replace(pem: string): boolean {
    return this.#become(this.#parse(pem));
  }

  /** Trusts these roots as well. Shape and errors: as `replace`. */
  add(pem: string): boolean {
    return this.#become([...this.#roots, ...this.#parse(pem)]);
  }

  /** Trusts the root with this fingerprint no longer. Shape and errors: as `replace`. */
  remove(fingerprint: string): boolean {
    return this.#become(this.#roots.filter((root) => root.fingerprint !== fingerprint));
  }

  /** The root that signed this certificate and is valid now, if one did. Cost: a signature check, about 0.1 ms. */
  issuerOf(certificate: X509Certificate, nowMs: number): TrustedRoot | undefined {
    return this.#roots.find(
      (root) =>
        nowMs >= root.notBeforeMs &&
        nowMs <= root.notAfterMs &&
        certificate.checkIssued(root.certificate) &&
        certificate.verify(root.certificate.publicKey),
    );
  }

  /** Calls back after every later change, until the function that is returned is called. */
  onChange(listener: (bundle: TrustBundle) => void): () => void {
    return this.#listeners.add(listener);
  }

  #parse(pem: string): readonly TrustedRoot[] {
    return parsePem(pem, 'CERTIFICATE', {
      maxBlocks: this.#maxRoots,
      maxBytes: this.#maxRoots * 16 * 1024,
    }).map((der) => parseRoot(der));
  }

  #become(wanted: readonly TrustedRoot[]): boolean {
    const roots = [...new Map(wanted.map((root) => [root.fingerprint, root])).values()];
    const same =
      roots.length === this.#roots.length &&
      roots.every(({ fingerprint }) => this.#roots.some((root) => root.fingerprint === fingerprint));
    if (same) {
      // Nobody is trusted more or less, but the order may tell which root signs.
      this.#roots = Object.freeze(roots);
      return false;
    }
    if (roots.length === 0)
      throw new TrustBundleError('the last root cannot be removed: nobody would be trusted');
    if (roots.length > this.#maxRoots) throw new TrustBundleError(`more than ${this.#maxRoots} roots`);
    this.#roots = Object.freeze(roots);
    this.#generation++;
    this.#listeners.notify(this, (error) => {
      this.#logger.error('a listener to trust changes failed', { error: describeError(error) });
    });
    return true;
  }
}

/** Errors: TrustBundleError, EncodingError. */
function parseRoot(der: Buffer): TrustedRoot {
  const fields = parseCertificate(der);
  if (fields.basicConstraints?.ca !== true)
    throw new TrustBundleError('a root is not the certificate of an authority');
  // Key usage may be missing in roots of other authorities; where it is there, it has to allow signing.
  if (fields.keyUsage !== undefined && !fields.keyUsage.bits.has(KeyUsageBit.keyCertSign)) {
    throw new TrustBundleError('a root may not sign certificates');
  }
  for (const uri of fields.subjectAltName?.uris ?? []) {
    const parsed = parseSpiffeId(uri.toString('latin1'));
    if (parsed.ok && parsed.id.path !== '')
      throw new TrustBundleError('a root has the SPIFFE ID of a workload');
  }
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
    // OpenSSL reads the key only when asked; a key that it does not know is found here, not on a connection.
    void certificate.publicKey.asymmetricKeyType;
  } catch (error) {
    throw new TrustBundleError('a root cannot be read', { cause: error });
  }
  return Object.freeze({
    fingerprint: createHash('sha256').update(der).digest('hex'),
    pem: formatPem('CERTIFICATE', der),
    der,
    certificate,
    notBeforeMs: fields.notBeforeMs,
    notAfterMs: fields.notAfterMs,
  });
}
