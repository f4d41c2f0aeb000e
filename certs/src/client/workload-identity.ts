import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { describeError, type Clock, type Logger, type Random, type Timer } from '@heddle/common';
import { CertificateChainError, TrustBundleError } from '../errors.js';
import type { SpiffeId } from '../spiffe-id.js';
import {
  CertificateRotator,
  type CertificateRotationState,
  type CertificateRotatorOptions,
} from '../workload/certificate-rotator.js';
import { formatIdentityLegacy, parseIdentityLegacy, rootsFileDigest } from '../workload/identity-legacy.js';
import { readJoinToken } from '../workload/join-token-file.js';
import { TrustBundle, type TrustedRoot } from '../workload/trust-bundle.js';
import { acceptCertificate, type WorkloadCertificate } from '../workload/workload-certificate.js';
import { parsePem } from '../x509/pem.js';
import { channelSecurity, type ChannelSecurity, type ServerName } from './channel-security.js';
import { requestCertificate } from './request-certificate.js';
import { TrustStream } from './trust-stream.js';

export interface WorkloadIdentityOptions {
  readonly spiffeId: SpiffeId;
  /** Where the authority is: a gRPC target, such as `127.0.0.1:15012`. */
  readonly caAddress: string;
  /** By what the authority is known. Default: by heddled's SPIFFE ID. */
  readonly caServerName?: string | undefined;
  /** PEM of the roots to begin with. When it changes it is read again. */
  readonly rootsFile: string;
  /** A join token, for as long as there is no certificate. It is read at each use. */
  readonly tokenFile: string | undefined;
  /** How long certificates should live. Default: as long as the authority likes. */
  readonly certificateTtlMs?: number | undefined;
  /** What the process before this one bequeathed. */
  readonly inherited?: string | undefined;
  /**
   * Takes what the process after this one needs to be the same workload, each time it has changed, until when it is of use.
   * It holds the key: for the memory of whoever outlives this process, and nothing else. Default: nobody gets it.
   */
  readonly bequeath?: ((text: string, untilMs: number) => void) | undefined;
  /** By which heddled names us. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly rotation?: Pick<CertificateRotatorOptions, 'window' | 'retry' | 'signTimeoutMs'>;
  /** Within this time a workload renews whose certificate is of a root that no longer signs. Default 5 s. */
  readonly rotationSpreadMs?: number;
}

/** A refused certificate is replaced at once, but not more often than this. */
const REFUSAL_PAUSE_MS = 60_000;

/** What an admin page and metrics show. */
export interface WorkloadIdentityState extends CertificateRotationState {
  readonly roots: readonly { readonly fingerprint: string; readonly notAfterMs: number }[];
  /** Whether heddled tells of new roots now. */
  readonly hearsOfRoots: boolean;
}

/**
 * The identity of this process's workload: a key that nobody else sees but its heir, a certificate that is kept fresh, and the roots by
 * which others are verified, which follow those of the mesh.
 *
 * The roots begin with a file. Then whatever came last is in force: what heddled tells over SDS, what came with a
 * certificate, or the file, when it has changed. The first of them is the one that signs: a certificate of another one is
 * renewed soon.
 * Errors: those of the files at construction; afterwards none, a failure is logged, counted and tried again.
 */
export class WorkloadIdentity {
  readonly trust: TrustBundle;
  readonly #options: WorkloadIdentityOptions;
  readonly #server: ServerName;
  readonly #rotator: CertificateRotator;
  readonly #stream: TrustStream;
  #rootsFileText: string;
  #certificateRefused = false;
  #refusedAtMs = -Infinity;
  #soon: Timer | undefined;

  constructor(options: WorkloadIdentityOptions) {
    this.#options = options;
    const { spiffeId, caServerName, clock, random, log } = options;
    this.#server =
      caServerName === undefined
        ? { kind: 'control-plane', trustDomain: spiffeId.trustDomain }
        : { kind: 'host', name: caServerName };
    this.#rootsFileText = readRoots(options.rootsFile);
    this.trust = new TrustBundle({
      trustDomain: spiffeId.trustDomain,
      roots: this.#rootsFileText,
      logger: log,
    });
    this.#rotator = new CertificateRotator({
      ...options.rotation,
      spiffeId,
      clock,
      random,
      logger: log,
      trustBundle: this.trust,
      sign: (csr, signal) => this.#sign(csr, signal),
    });
    if (options.inherited !== undefined) this.#inherit(options.inherited);
    this.trust.onChange(() => this.#bequeath());
    this.#rotator.onChange(() => {
      this.#bequeath();
      this.#certificateRefused = false;
      // What proves who we are is another now, and heddled is to know.
      this.#stream.open();
    });
    this.#stream = new TrustStream({
      address: options.caAddress,
      nodeId: options.nodeId,
      security: () => this.security(),
      onRoots: (pem) => this.#takeRoots(pem, 'heddled'),
      onUnauthenticated: () => this.noteRefusal(),
      clock,
      random,
      log,
    });
  }

  /** The newest certificate, also when it has expired; undefined before the first. */
  get certificate(): WorkloadCertificate | undefined {
    return this.#rotator.current;
  }

  get state(): WorkloadIdentityState {
    return {
      ...this.#rotator.state,
      roots: this.trust.roots.map(({ fingerprint, notAfterMs }) => ({ fingerprint, notAfterMs })),
      hearsOfRoots: this.#stream.connected,
    };
  }

  /** Asks for the first certificate, and keeps all fresh until `stop`. */
  start(): void {
    this.#rotator.start();
    if (this.certificate !== undefined) this.#stream.open();
  }

  /** Asks for another certificate now, whatever the schedule says. */
  renewNow(): void {
    this.#rotator.renewNow();
  }

  /** Resolves, within about a second, when the authority knows that nobody is expected back here. */
  stop(): Promise<void> {
    this.#soon?.cancel();
    this.#rotator.stop();
    return this.#stream.close();
  }

  /** Resolves when there is a certificate or the first attempt has failed, and `timeoutMs` later at the latest. */
  settled(timeoutMs: number): Promise<void> {
    if (this.#rotator.current !== undefined) return Promise.resolve();
    const ends: (() => void)[] = [];
    return new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(timeoutMs, resolve);
      ends.push(
        () => timer.cancel(),
        this.#rotator.onChange(() => resolve()),
        this.#rotator.onFailure(() => resolve()),
      );
    }).finally(() => {
      for (const end of ends) end();
    });
  }

  /** Calls back with every later certificate, until the function that is returned is called. */
  onCertificate(listener: (certificate: WorkloadCertificate) => void): () => void {
    return this.#rotator.onChange(listener);
  }

  /** What a connection to heddled is made with now. Errors: JoinTokenError, PrivateFileError where the token is needed. */
  security(): ChannelSecurity {
    this.#readRootsFile();
    const { clock, tokenFile } = this.#options;
    const usable = this.#usableCertificate();
    return channelSecurity({
      roots: this.trust.pems,
      server: this.#server,
      certificate: usable,
      token: usable === undefined && tokenFile !== undefined ? readJoinToken(tokenFile) : undefined,
      nowMs: () => clock.nowMs(),
    });
  }

  /**
   * heddled did not take what it was shown. Where that was the certificate, a new one is asked for by the join token, if
   * there is one.
   */
  noteRefusal(): void {
    if (this.#options.tokenFile === undefined || this.#usableCertificate() === undefined) return;
    this.#certificateRefused = true;
    const nowMs = this.#options.clock.monotonicMs();
    // A new one that is refused as well does not become better by being renewed at once.
    if (nowMs - this.#refusedAtMs < REFUSAL_PAUSE_MS) return;
    this.#refusedAtMs = nowMs;
    // Not within whatever just failed: that may be the renewal.
    queueMicrotask(() => this.#rotator.renewNow());
  }

  /** What came later counts: a file of roots that was written since is newer than the roots that were left. */
  #inherit(text: string): void {
    const { spiffeId, clock, log } = this.#options;
    try {
      const legacy = parseIdentityLegacy(text);
      if (legacy.spiffeId !== spiffeId.uri)
        throw new CertificateChainError(`it is for ${legacy.spiffeId}, not for ${spiffeId.uri}`);
      if (legacy.rootsFileDigest === rootsFileDigest(this.#rootsFileText))
        this.trust.replace(legacy.rootsPem);
      const { keyPair, chainPem, arrivedAtMs } = legacy;
      const nowMs = clock.nowMs();
      const certificate = acceptCertificate({ keyPair, spiffeId, chainPem, nowMs, trustBundle: this.trust });
      this.#rotator.inherit(certificate, arrivedAtMs);
      log.info('certificate inherited', {
        serial: certificate.serialHex,
        notAfter: new Date(certificate.notAfterMs).toISOString(),
      });
    } catch (error) {
      log.warn('what the process before this one left cannot be used', { error: describeError(error) });
    }
  }

  #bequeath(): void {
    const { current, arrivedAtMs } = this.#rotator;
    const { bequeath } = this.#options;
    if (bequeath === undefined || current === undefined || arrivedAtMs === undefined) return;
    const rest = {
      arrivedAtMs,
      rootsPem: this.trust.pems.join(''),
      rootsFileDigest: rootsFileDigest(this.#rootsFileText),
    };
    bequeath(formatIdentityLegacy(current, rest), current.notAfterMs);
  }

  #usableCertificate(): WorkloadCertificate | undefined {
    const certificate = this.#rotator.current;
    if (certificate === undefined || this.#certificateRefused) return undefined;
    return certificate.notAfterMs > this.#options.clock.nowMs() ? certificate : undefined;
  }

  async #sign(csrPem: string, signal: AbortSignal): Promise<string> {
    const { caAddress, certificateTtlMs = 0 } = this.#options;
    try {
      const { chainPem, rootsPem } = await requestCertificate({
        address: caAddress,
        security: this.security(),
        csrPem,
        ttlMs: certificateTtlMs,
        signal,
      });
      if (rootsPem !== '') this.#takeRoots(rootsPem, 'certificate');
      return chainPem;
    } catch (error) {
      if (isUnauthenticated(error)) this.noteRefusal();
      throw error;
    }
  }

  /** Errors: TrustBundleError, EncodingError where they are refused; the old ones stay. */
  #takeRoots(pem: string, from: 'heddled' | 'certificate' | 'file'): void {
    if (this.trust.replace(pem)) {
      this.#options.log.info('roots replaced', {
        from,
        roots: this.trust.roots.map(({ fingerprint }) => fingerprint),
      });
    }
    const signer = this.trust.roots[0];
    if (signer !== undefined && from === 'heddled') this.#renewUnlessOf(signer);
  }

  #renewUnlessOf(signer: TrustedRoot): void {
    const certificate = this.#rotator.current;
    if (certificate === undefined || this.#soon !== undefined) return;
    const { clock, random, rotationSpreadMs = 5_000, log } = this.#options;
    const last = parsePem(certificate.chainPem, 'CERTIFICATE').at(-1) as Buffer;
    if (this.trust.issuerOf(new X509Certificate(last), clock.nowMs())?.fingerprint === signer.fingerprint)
      return;
    log.info('another root signs now: the certificate is renewed', { root: signer.fingerprint });
    this.#soon = clock.setTimer(random() * rotationSpreadMs, () => {
      this.#soon = undefined;
      this.#rotator.renewNow();
    });
  }

  #readRootsFile(): void {
    let text: string;
    try {
      text = readRoots(this.#options.rootsFile);
    } catch {
      return;
    }
    if (text === this.#rootsFileText) return;
    this.#rootsFileText = text;
    try {
      this.#takeRoots(text, 'file');
    } catch (error) {
      this.#options.log.warn('new roots refused', {
        file: this.#options.rootsFile,
        error: describeError(error),
      });
    }
  }
}

function readRoots(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (cause) {
    throw new TrustBundleError(`the roots cannot be read from ${file}`, { cause });
  }
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === status.UNAUTHENTICATED;
}
