/** What was fetched of one type, for whoever shows it. */
export interface DiscoveredResources {
  /** Of the last answer, accepted or not. */
  readonly versionInfo: string;
  /** What is in use, in order of names. */
  readonly held: readonly {
    readonly name: string;
    readonly version: string;
    readonly bytes: Uint8Array;
    /** Wall clock. */
    readonly updatedAtMs: number;
  }[];
  /** Names that are asked for and did not come yet. */
  readonly missing: readonly string[];
  /** What was last refused, in order of names. */
  readonly refused: readonly RefusedResource[];
}

/** The last update of one resource that was refused, and why. */
export interface RefusedResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly details: string;
  /** Wall clock. */
  readonly atMs: number;
}
