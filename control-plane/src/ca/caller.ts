import type { SpiffeId } from '@heddle/certs';

/** Who a gRPC caller has proven to be. */
export interface Caller {
  readonly identity: SpiffeId;
  readonly by: 'certificate' | 'token';
  /** When the proof ends. Milliseconds since the epoch. */
  readonly provenUntilMs: number;
  /** Of the join token. */
  readonly tokenId: string | undefined;
  /** The DER of the client certificate. */
  readonly certificate: Buffer | undefined;
}

/** Why a caller is nobody. */
export type CallerProblem =
  | 'no-proof'
  | 'certificate-refused'
  | 'several-tokens'
  | 'no-bearer-token'
  | 'token-malformed'
  | 'token-forged'
  | 'token-expired'
  | 'token-revoked'
  | 'token-other-trust-domain'
  | 'proofs-differ';

export type CallerVerdict =
  | { readonly ok: true; readonly caller: Caller }
  /** `detail` is for the caller and for the log; it holds nothing secret. */
  | { readonly ok: false; readonly problem: CallerProblem; readonly detail: string };
