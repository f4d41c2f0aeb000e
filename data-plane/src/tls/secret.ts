import { type HiddenText, type PeerRulesConfig } from '@heddle/engine';

/** What a source gives under a name: text that was read, whatever it was configured as. */
export type Secret = CertificateSecret | TrustSecret;

/**
 * A certificate chain with its private key.
 *
 * Shape: immutable; a new certificate is a new secret. No log line and no JSON can hold the key.
 */
export interface CertificateSecret {
  readonly kind: 'certificate';
  /** PEM, the leaf first. */
  readonly chainPem: string;
  /** PEM. */
  readonly privateKey: HiddenText;
  /** Of the private key, where it is encrypted. */
  readonly password: HiddenText | undefined;
}

/** Whom to trust, and what is asked of their certificates beside. Shape: immutable. */
export interface TrustSecret {
  readonly kind: 'trust';
  /** PEM of every root; empty: no chain is verified. */
  readonly rootsPem: string;
  /** PEM; empty: none. */
  readonly crlPem: string;
  readonly rules: PeerRulesConfig;
}
