/** What a client said against the last answer. */
export interface Nack {
  readonly message: string;
  readonly version: string;
  /** Wall clock, ms. */
  readonly atMs: number;
}

/**
 * What one client wants of one resource type on one stream, and what it has been told.
 *
 * Shape: `sent` maps a resource name to the version that the client holds; an empty version means that it was told that
 * there is no such resource.
 */
export class TypeSubscription {
  readonly typeUrl: string;
  wildcard = false;
  readonly names = new Set<string>();
  readonly sent = new Map<string, string>();
  /** The first answer was given; an empty set is an answer too. */
  answered = false;
  nonce = '';
  awaitingAck = false;
  sentVersion = '';
  ackedVersion = '';
  /** Wall clock, ms; 0 when nothing was sent yet. */
  sentAtMs = 0;
  nack: Nack | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  wants(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }
}
