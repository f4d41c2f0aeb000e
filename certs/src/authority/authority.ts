import { randomBytes as cryptoRandomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { describeError, silentLogger, systemClock, type Clock, type Logger } from '@heddle/common';
import { Oid } from '../der/object-identifier.js';
import { AuthorityStateError, CertificateRequestError } from '../errors.js';
import { ensurePrivateFolder } from '../private-file.js';
import { isTrustDomain, type SpiffeId } from '../spiffe-id.js';
import { ChangeListeners } from '../workload/change-listeners.js';
import { TrustBundle, type TrustedRoot } from '../workload/trust-bundle.js';
import {
  EMPTY_NAME,
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyIdOf,
  keyUsageExtension,
  signCertificate,
  subjectAltNameExtension,
  subjectKeyIdExtension,
  uriName,
  type AltName,
} from '../x509/certificate-builder.js';
import { GeneralNameTag, KeyUsageBit, parseCertificate } from '../x509/certificate-fields.js';
import { formatPem } from '../x509/pem.js';
import {
  loadAuthorityState,
  saveAuthorityState,
  saveFirstAuthorityState,
  saveRoots,
  type AuthorityState,
  type RotationPhase,
} from './authority-state.js';
import { addressOctets } from './address-octets.js';
import { parseCertificateRequest } from './parse-certificate-request.js';
import { createRoot, loadRoot, type SigningRoot } from './root-certificate.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_FURTHER_NAMES = 32;
const DNS_NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/i;

export interface AuthorityOptions {
  /** Where roots, keys and the state of a rotation are kept. It is made if it is not there. */
  readonly folder: string;
  readonly trustDomain: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How long a leaf lives unless asked otherwise. Default 24 h. */
  readonly defaultTtlMs?: number;
  /** How long a leaf lives at most; who asks for more gets this. Default 7 days. */
  readonly maxTtlMs?: number;
  /** How long a new root lives. Default 3,650 days. */
  readonly rootTtlMs?: number;
  /** How far validity begins before now, for clocks that are behind. Default 2 minutes. */
  readonly clockSkewMs?: number;
  /** For serial numbers. Default: that of node:crypto. */
  readonly randomBytes?: (count: number) => Uint8Array;
}

export interface SignOptions {
  /** How long the certificate lives, from now; more than the authority's maximum gives the maximum. */
  readonly ttlMs?: number;
  /** Names beside the identity, for servers that are found by name. They come from the caller, never from a request. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** A certificate that was issued. Times are milliseconds since the epoch. */
export interface IssuedCertificate {
  readonly spiffeId: SpiffeId;
  /** What belongs before the root: the leaf alone, for roots sign leaves directly. */
  readonly chainPem: string;
  /** The root that signed it. */
  readonly rootPem: string;
  readonly serialHex: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What an admin page shows of an authority. */
export interface AuthorityStatus {
  readonly trustDomain: string;
  readonly phase: RotationPhase;
  readonly roots: ReadonlyArray<{
    readonly fingerprint: string;
    readonly notAfterMs: number;
    readonly signs: boolean;
  }>;
  /** In phase `switched`: when the rotation may finish. */
  readonly oldLeavesUntilMs: number | undefined;
  readonly signed: number;
  readonly refused: number;
}

/**
 * Opens the authority of a trust domain; in a new folder its root is made, once, also when two processes begin together.
 *
 * Errors: PrivateFileError where other users may enter the folder or read the state; AuthorityStateError where the state
 * cannot be read or is another trust domain's; RangeError where the options contradict each other.
 */
export function createAuthority(options: AuthorityOptions): Authority {
  const settings = settingsOf(options);
  ensurePrivateFolder(options.folder);
  let state = loadAuthorityState(options.folder);
  if (state === undefined) {
    const first: AuthorityState = {
      trustDomain: options.trustDomain,
      phase: 'steady',
      roots: [newRoot(settings)],
    };
    if (saveFirstAuthorityState(options.folder, first)) {
      settings.logger.info('root certificate made', { trustDomain: options.trustDomain });
    }
    // Read again in any case: what is stored is what counts.
    state = loadAuthorityState(options.folder);
  }
  if (state === undefined) throw new AuthorityStateError(`the state in ${options.folder} is gone`);
  if (state.trustDomain !== options.trustDomain) {
    throw new AuthorityStateError(
      `${options.folder} belongs to the trust domain ${state.trustDomain}, not to ${options.trustDomain}`,
    );
  }
  return new Authority(settings, state);
}

type Settings = Required<AuthorityOptions>;

/** Issues the certificates of one trust domain. */
export class Authority {
  readonly #settings: Settings;
  #state: AuthorityState;
  #signer: SigningRoot;
  /** The roots to trust: it changes with rotations. */
  readonly bundle: TrustBundle;
  /** Where everybody's roots stand as PEM, for those who start: it follows every step of a rotation. */
  readonly rootsFile: string;
  readonly #listeners = new ChangeListeners<Authority>();
  #signed = 0;
  #refused = 0;

  /** To be made by `createAuthority` alone. */
  constructor(settings: Settings, state: AuthorityState) {
    this.#settings = settings;
    this.#state = state;
    this.#signer = signerOf(state);
    this.bundle = new TrustBundle({
      trustDomain: settings.trustDomain,
      roots: rootsPem(state),
      logger: settings.logger,
    });
    this.rootsFile = saveRoots(settings.folder, this.rootsPem);
  }

  /** The roots to trust, the one that signs first: whoever holds a leaf of another one knows that it is time to renew. */
  get roots(): readonly TrustedRoot[] {
    const signs = (root: TrustedRoot): boolean => root.pem === this.#signer.certificatePem;
    return [...this.bundle.roots.filter(signs), ...this.bundle.roots.filter((root) => !signs(root))];
  }

  /** The same as PEM. */
  get rootsPem(): string {
    return this.roots.map(({ pem }) => pem).join('');
  }

  /** Calls back after every step of a root rotation, until the function that is returned is called. */
  onRotation(listener: (authority: Authority) => void): () => void {
    return this.#listeners.add(listener);
  }

  get trustDomain(): string {
    return this.#settings.trustDomain;
  }

  /**
   * Issues a certificate for this identity to whoever has the key of the request.
   *
   * What the request asks for does not matter: `identity` is what the caller has proven to be. It lives for `ttlMs`, but
   * no longer than the authority allows and than its root lives.
   * Errors: CertificateRequestError where the request is refused, the identity is not a workload's of this trust domain,
   * or a further name is none. Cost: below 0.5 ms of CPU for P-256 keys.
   */
  sign(csrPem: string, identity: SpiffeId, options: SignOptions = {}): IssuedCertificate {
    try {
      const issued = this.#issue(csrPem, identity, options);
      this.#signed++;
      return issued;
    } catch (error) {
      this.#refused++;
      throw error;
    }
  }

  get status(): AuthorityStatus {
    const { trustDomain, phase, oldLeavesUntilMs } = this.#state;
    return {
      trustDomain,
      phase,
      roots: this.bundle.roots.map((root) => ({
        fingerprint: root.fingerprint,
        notAfterMs: root.notAfterMs,
        signs: root.pem === this.#signer.certificatePem,
      })),
      oldLeavesUntilMs,
      signed: this.#signed,
      refused: this.#refused,
    };
  }

  /**
   * First step of a root rotation: makes a new root, which everybody is to trust beside the old one. The old one signs.
   *
   * Errors: AuthorityStateError where a rotation is under way.
   */
  beginRotation(): void {
    this.#expect('steady', 'begin a root rotation');
    const { trustDomain, roots } = this.#state;
    this.#become({ trustDomain, phase: 'distributing', roots: [...roots, newRoot(this.#settings)] });
  }

  /**
   * Second step, when every workload has the new bundle: the new root signs from now on.
   *
   * Errors: AuthorityStateError where no new root was made, or it signs already.
   */
  switchSigning(): void {
    this.#expect('distributing', 'switch to the new root');
    const { trustDomain, roots } = this.#state;
    const { clock, maxTtlMs } = this.#settings;
    const latestMs = Math.min(clock.nowMs() + maxTtlMs, this.#signer.notAfterMs);
    this.#become({ trustDomain, phase: 'switched', roots, oldLeavesUntilMs: latestMs });
  }

  /**
   * Last step, when no leaf of the old root is in use any more: it is trusted no longer, and its key is deleted.
   *
   * `force` is for a caller who has seen every workload renew. Without it, the step waits until the old root's last
   * possible leaf has expired. Errors: AuthorityStateError before that, and where the new root does not sign yet.
   */
  finishRotation(options: { readonly force?: boolean } = {}): void {
    this.#expect('switched', 'finish a root rotation');
    const { trustDomain, roots, oldLeavesUntilMs = Infinity } = this.#state;
    const leftMs = oldLeavesUntilMs - this.#settings.clock.nowMs();
    if (leftMs > 0 && options.force !== true) {
      throw new AuthorityStateError(
        `leaves of the old root may be in use for another ${Math.ceil(leftMs / 60_000)} minutes: wait, or force it once every workload has renewed`,
      );
    }
    this.#become({ trustDomain, phase: 'steady', roots: roots.slice(1) });
  }

  #expect(phase: RotationPhase, step: string): void {
    if (this.#state.phase === phase) return;
    throw new AuthorityStateError(`cannot ${step}: the rotation is ${this.#state.phase}, not ${phase}`);
  }

  /** Stored first: what this process does, a restarted one knows. */
  #become(state: AuthorityState): void {
    const signer = signerOf(state);
    saveAuthorityState(this.#settings.folder, state);
    this.#state = state;
    this.#signer = signer;
    this.#settings.logger.info('root rotation', { phase: state.phase, roots: state.roots.length });
    this.bundle.replace(rootsPem(state));
    try {
      saveRoots(this.#settings.folder, this.rootsPem);
    } catch (error) {
      // The step is done and stored; the file is for those who start, and is written again at the next one.
      this.#settings.logger.error('the file of roots is stale', { error: describeError(error) });
    }
    this.#listeners.notify(this, (error) => {
      this.#settings.logger.error('a listener to root rotations failed', { error: describeError(error) });
    });
  }

  #issue(csrPem: string, identity: SpiffeId, options: SignOptions): IssuedCertificate {
    const { clock, trustDomain, defaultTtlMs, maxTtlMs, clockSkewMs, randomBytes } = this.#settings;
    const { ttlMs = defaultTtlMs } = options;
    if (identity.trustDomain !== trustDomain || identity.path === '') {
      throw new CertificateRequestError(`${identity.uri} is no workload of the trust domain ${trustDomain}`);
    }
    if (!(ttlMs >= 1_000)) throw new CertificateRequestError('a certificate lives for a second at least');
    const names = [uriName(identity.uri), ...furtherNames(options)];
    const request = parseCertificateRequest(csrPem);
    const signer = this.#signer;
    const nowMs = clock.nowMs();
    const notBeforeMs = wholeSeconds(Math.max(nowMs - clockSkewMs, signer.notBeforeMs));
    const notAfterMs = wholeSeconds(Math.min(nowMs + Math.min(ttlMs, maxTtlMs), signer.notAfterMs));
    if (notAfterMs <= nowMs) throw new AuthorityStateError('the root has expired: rotate it');
    const der = signCertificate(
      {
        serial: randomBytes(16),
        issuer: signer.name,
        subject: EMPTY_NAME,
        notBeforeMs,
        notAfterMs,
        publicKeyInfo: request.publicKeyInfo,
        extensions: [
          NOT_AN_AUTHORITY,
          request.keyType === 'rsa' ? RSA_KEY_USAGE : EC_KEY_USAGE,
          BOTH_SIDES,
          // Critical, because the subject is empty.
          subjectAltNameExtension(names, true),
          subjectKeyIdExtension(keyIdOf(request.publicKeyInfo)),
          signer.authorityKeyId,
        ],
      },
      signer.privateKey,
    );
    return {
      spiffeId: identity,
      chainPem: formatPem('CERTIFICATE', der),
      rootPem: signer.certificatePem,
      serialHex: parseCertificate(der).serialHex,
      notBeforeMs,
      notAfterMs,
    };
  }
}

const NOT_AN_AUTHORITY = basicConstraintsExtension({ ca: false });
const EC_KEY_USAGE = keyUsageExtension([KeyUsageBit.digitalSignature]);
const RSA_KEY_USAGE = keyUsageExtension([KeyUsageBit.digitalSignature, KeyUsageBit.keyEncipherment]);
const BOTH_SIDES = extendedKeyUsageExtension([Oid.serverAuth, Oid.clientAuth]);

function settingsOf(options: AuthorityOptions): Settings {
  const settings: Settings = {
    clock: systemClock,
    logger: silentLogger,
    defaultTtlMs: DAY_MS,
    maxTtlMs: 7 * DAY_MS,
    rootTtlMs: 3_650 * DAY_MS,
    clockSkewMs: 120_000,
    randomBytes: cryptoRandomBytes,
    ...options,
  };
  const { trustDomain, defaultTtlMs, maxTtlMs, rootTtlMs, clockSkewMs } = settings;
  if (!isTrustDomain(trustDomain)) throw new RangeError(`${JSON.stringify(trustDomain)} is no trust domain`);
  if (!(defaultTtlMs >= 1_000 && maxTtlMs >= defaultTtlMs && rootTtlMs >= maxTtlMs && clockSkewMs >= 0)) {
    throw new RangeError(
      'an authority needs 1 s <= defaultTtlMs <= maxTtlMs <= rootTtlMs, and clockSkewMs >= 0',
    );
  }
  return settings;
}

function newRoot(settings: Settings): ReturnType<typeof createRoot> {
  const nowMs = settings.clock.nowMs();
  return createRoot({
    trustDomain: settings.trustDomain,
    notBeforeMs: wholeSeconds(nowMs - settings.clockSkewMs),
    notAfterMs: wholeSeconds(nowMs + settings.rootTtlMs),
  });
}

function signerOf(state: AuthorityState): SigningRoot {
  // Both are loaded, so that a broken one is found at the start and not when it is needed.
  const roots = state.roots.map((root) => loadRoot(root));
  return roots[state.phase === 'switched' ? 1 : 0] as SigningRoot;
}

function rootsPem(state: AuthorityState): string {
  return state.roots.map((root) => root.certificatePem).join('');
}

function furtherNames(options: SignOptions): readonly AltName[] {
  const { dnsNames = [], ipAddresses = [] } = options;
  if (dnsNames.length + ipAddresses.length > MAX_FURTHER_NAMES) {
    throw new CertificateRequestError(`a certificate has at most ${MAX_FURTHER_NAMES} further names`);
  }
  return [
    ...dnsNames.map((name) => {
      if (name.length > 253 || !DNS_NAME.test(name)) {
        throw new CertificateRequestError(`${JSON.stringify(name.slice(0, 253))} is no DNS name`);
      }
      return { tag: GeneralNameTag.dnsName, octets: Buffer.from(name, 'latin1') };
    }),
    ...ipAddresses.map((address) => {
      if (isIP(address) === 0 || address.includes('%')) {
        throw new CertificateRequestError(`${JSON.stringify(address.slice(0, 64))} is no IP address`);
      }
      return { tag: GeneralNameTag.ipAddress, octets: addressOctets(address) };
    }),
  ];
}

function wholeSeconds(atMs: number): number {
  return Math.floor(atMs / 1000) * 1000;
}
