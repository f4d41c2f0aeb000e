/** Where a root rotation stands. */
export type RotationPhase = 'steady' | 'distributing' | 'switched';

/** The certificate authority, as heddled's API tells of it. Times are ISO 8601. */
export interface ReportedAuthority {
  readonly trustDomain: string;
  readonly rotation: RotationPhase;
  readonly oldLeavesUntil?: string;
  readonly roots: readonly {
    readonly fingerprint: string;
    readonly notAfter: string;
    readonly signs: boolean;
  }[];
  readonly issued: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly serving: { readonly serial?: string; readonly notAfter?: string; readonly alarm: string };
}

/** A proxy or agent with an identity, as heddled's API tells of it. */
export interface ReportedHolder {
  readonly id: string;
  readonly identity: string;
  readonly presence: 'connected' | 'away';
  readonly provenBy: 'certificate' | 'token';
  /** The fingerprint of the root of its certificate; absent: it has shown none. */
  readonly root?: string;
  /** When what proves who it is ends. */
  readonly provenUntil: string;
  readonly knowsRoots: boolean;
}
