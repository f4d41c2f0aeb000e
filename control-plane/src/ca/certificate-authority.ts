import {
  createAuthority,
  createJoinTokens,
  type Authority,
  type AuthorityStatus,
  type JoinToken,
  type JoinTokens,
} from '@heddle/certs/authority';
import { JoinTokenError, controlPlaneId, type SpiffeId } from '@heddle/certs';
import type { CertificateRotationState } from '@heddle/certs/workload';
import type { Server } from '@grpc/grpc-js';
import type { SecureContextOptions } from 'node:tls';
import type { Clock, Logger, Random } from '@heddle/common';
import { TlsPort, type TlsPortCounts } from '../grpc/tls-port.js';
import { CallerAuthenticator } from './caller-authenticator.js';
import { CertificateHolders, type CertificateHolder } from './certificate-holders.js';
import { CertificateService } from './certificate-service.js';
import { RefusalLog } from './refusal-log.js';
import { ServingCertificate } from './serving-certificate.js';

/** How long a join token may live at most. */
export const LONGEST_TOKEN_TTL_MS = 30 * 86_400_000;

export interface CertificateAuthorityOptions {
  /** Where roots, keys and revocations are kept. */
  readonly folder: string;
  readonly trustDomain: string;
  /** Further host names and addresses by which heddled is called. */
  readonly serverNames: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * heddled as the authority of its mesh: the root, join tokens, the gRPC service that signs, heddled's own certificate, and
 * the TLS port where all of that is served.
 */
export class CertificateAuthority {
  readonly authority: Authority;
  readonly authenticator: CallerAuthenticator;
  readonly #options: CertificateAuthorityOptions;
  readonly #tokens: JoinTokens;
  readonly #contextListeners: ((context: SecureContextOptions) => void)[] = [];
  readonly #revocationListeners: ((tokenId: string) => void)[] = [];
  readonly #refusals: RefusalLog;
  readonly #serving: ServingCertificate;
  readonly #holders: CertificateHolders;
  #port: TlsPort | undefined;

  /** Errors: those of the authority's folder. */
  constructor(options: CertificateAuthorityOptions) {
    this.#options = options;
    const { folder, trustDomain, clock, random, log } = options;
    this.authority = createAuthority({ folder, trustDomain, clock, logger: log });
    this.#tokens = createJoinTokens({ folder, trustDomain, clock, maxTtlMs: LONGEST_TOKEN_TTL_MS });
    this.authenticator = new CallerAuthenticator({ tokens: this.#tokens, trustDomain, clock });
    this.#refusals = new RefusalLog(log, clock);
    this.#holders = new CertificateHolders({
      authority: this.authority,
      authenticator: this.authenticator,
      refusals: this.#refusals,
      clock,
      log,
    });
    this.#serving = new ServingCertificate({
      authority: this.authority,
      names: options.serverNames,
      clock,
      random,
      log,
      onContext: (context) => {
        this.#port?.replaceContext(context);
        for (const listener of this.#contextListeners) listener(context);
      },
    });
  }

  /** Serves a gRPC server over TLS, with the authority's services added to it. Resolves with the port. */
  async listen(grpc: Server, host: string, port: number): Promise<number> {
    const { authority, authenticator } = this;
    const { clock, log } = this.#options;
    new CertificateService({ authority, authenticator, refusals: this.#refusals, clock, log }).register(grpc);
    this.#holders.register(grpc);
    await this.#serving.start();
    this.#port = new TlsPort({ grpc, context: this.#serving.context, log });
    return this.#port.listen(host, port);
  }

  /** Makes a join token for one identity. Errors: JoinTokenError where it is no workload of the trust domain, or heddled. */
  issueToken(identity: SpiffeId, ttlMs: number): JoinToken {
    if (identity.uri === controlPlaneId(this.authority.trustDomain).uri) {
      throw new JoinTokenError(`${identity.uri} is heddled itself: nobody else may pass for it`);
    }
    const issued = this.#tokens.issue(identity, { ttlMs });
    this.#options.log.info('join token issued', {
      identity: identity.uri,
      tokenId: issued.id,
      expires: new Date(issued.expiresMs).toISOString(),
    });
    return issued;
  }

  /**
   * Makes a join token worthless, which is remembered until `expiresMs`, when it would have ended, and for 30 days at most.
   *
   * Errors: JoinTokenError where too many are; PrivateFileError.
   */
  revoke(tokenId: string, expiresMs: number): void {
    const latestMs = this.#options.clock.nowMs() + LONGEST_TOKEN_TTL_MS;
    this.#tokens.revoke({ id: tokenId, expiresMs: Math.min(expiresMs, latestMs) });
    this.#options.log.info('join token revoked', { tokenId });
    this.#holders.endStreams((caller) => caller.tokenId === tokenId, 'the join token was revoked');
    for (const listener of this.#revocationListeners) listener(tokenId);
  }

  /** Calls back after every revocation. */
  onRevocation(listener: (tokenId: string) => void): void {
    this.#revocationListeners.push(listener);
  }

  /**
   * heddled's own key and certificate, for another port that is served with them. Calls back with each new one.
   *
   * Errors: AuthorityStateError before `listen` has resolved.
   */
  servingContext(onChange: (context: SecureContextOptions) => void): SecureContextOptions {
    const { context } = this.#serving;
    this.#contextListeners.push(onChange);
    return context;
  }

  async close(): Promise<void> {
    this.#serving.stop();
    this.#holders.close();
    await this.#port?.close();
  }

  get status(): AuthorityStatus {
    return this.authority.status;
  }

  /** By reason: requests for certificates that were not fulfilled. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refusals.counts;
  }

  /** Who has an identity of the mesh, and how far each is with a root rotation. */
  holders(): readonly CertificateHolder[] {
    return this.#holders.list();
  }

  get serving(): CertificateRotationState {
    return this.#serving.state;
  }

  get portCounts(): TlsPortCounts | undefined {
    return this.#port?.counts;
  }
}
