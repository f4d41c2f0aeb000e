import { isIP } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { AuthorityStateError, controlPlaneId } from '@heddle/certs';
import type { Authority } from '@heddle/certs/authority';
import { CertificateRotator, type CertificateRotationState } from '@heddle/certs/workload';
import type { Clock, Logger, Random } from '@heddle/common';

/** By these heddled is always found, beside what it is told. */
const NAMES = [
  'localhost',
  'heddled',
  'heddled.heddle-system',
  'heddled.heddle-system.svc',
  '127.0.0.1',
  '::1',
];

export interface ServingCertificateOptions {
  readonly authority: Authority;
  /** Further host names and addresses by which clients call. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told of every new context: another certificate, or other roots to check clients by. */
  readonly onContext: (context: SecureContextOptions) => void;
}

/**
 * heddled's own certificate, from its own authority: in memory only, renewed like a workload's.
 *
 * Its names come from here and never from a request, so no workload can get a certificate that passes for heddled's.
 */
export class ServingCertificate {
  readonly #options: ServingCertificateOptions;
  readonly #rotator: CertificateRotator;
  readonly #stopListening: readonly (() => void)[];

  constructor(options: ServingCertificateOptions) {
    this.#options = options;
    const { authority, clock, random, log } = options;
    const spiffeId = controlPlaneId(authority.trustDomain);
    const names = [...new Set([...NAMES, ...options.names])];
    const signOptions = {
      dnsNames: names.filter((name) => isIP(name) === 0),
      ipAddresses: names.filter((name) => isIP(name) !== 0),
    };
    this.#rotator = new CertificateRotator({
      spiffeId,
      sign: (csr) => Promise.resolve().then(() => authority.sign(csr, spiffeId, signOptions).chainPem),
      trustBundle: authority.bundle,
      clock,
      random,
      logger: log,
    });
    this.#stopListening = [
      this.#rotator.onChange(() => options.onContext(this.context)),
      authority.onRotation(() => {
        // Clients are checked by the new set of roots at once; a certificate of the root that signs now follows.
        options.onContext(this.context);
        this.#rotator.renewNow();
      }),
    ];
  }

  /** Resolves when there is a certificate. Errors: rejects with why there is none. */
  start(): Promise<void> {
    const listening: (() => void)[] = [];
    return new Promise<void>((resolve, reject) => {
      listening.push(
        this.#rotator.onChange(() => resolve()),
        this.#rotator.onFailure(({ lastError }) => reject(new AuthorityStateError(lastError ?? 'unknown'))),
      );
      this.#rotator.start();
    }).finally(() => {
      for (const stop of listening) stop();
    });
  }

  stop(): void {
    this.#rotator.stop();
    for (const stop of this.#stopListening) stop();
  }

  get state(): CertificateRotationState {
    return this.#rotator.state;
  }

  /** For node:tls. */
  get context(): SecureContextOptions {
    const certificate = this.#rotator.current;
    if (certificate === undefined) throw new AuthorityStateError('there is no serving certificate yet');
    return {
      key: certificate.privateKeyPem(),
      cert: certificate.chainPem,
      ca: [...this.#options.authority.bundle.pems],
    };
  }
}
