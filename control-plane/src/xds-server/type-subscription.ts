/** What a client said against an answer. */
export interface Nack {
  readonly message: string;
  readonly version: string;
  /** Wall clock, ms. */
  readonly atMs: number;
}

/** An answer that the client has not acknowledged yet. */
export interface OutstandingAnswer {
  readonly version: string;
  /** What it told of: resources and removed names. */
  readonly names: readonly string[];
}

/** A version that equals none: what the client holds is not known. */
const UNKNOWN_VERSION = '?';

/**
 * What one client wants of one resource type on one stream, and what it has been told.
 *
 * Shape: `sent` maps a resource name to the version that the client holds, `absent` are the names of which it was told
 * that there is no such resource, and `pending` are the names whose state may differ from both. Everything else is
 * known to agree, so that a change costs what changed and not what there is.
 */
export class TypeSubscription {
  readonly typeUrl: string;
  wildcard = false;
  readonly names = new Set<string>();
  readonly sent = new Map<string, string>();
  readonly absent = new Set<string>();
  readonly pending = new Set<string>();
  /** An answer is due even when it is empty: the client waits for it. */
  mustAnswer = false;
  /** Some request named resources (or `*`): an empty list no longer means everything. */
  hasNamed = false;
  /** Of the last answer. */
  nonce = '';
  /** By nonce, oldest first. */
  readonly outstanding = new Map<string, OutstandingAnswer>();
  /** Names in refused answers: the client may hold something older. */
  readonly refused = new Set<string>();
  sentVersion = '';
  ackedVersion = '';
  nack: Nack | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  get awaitingAck(): boolean {
    return this.outstanding.size > 0;
  }

  /** Nothing to tell, and the client took everything that it was told. */
  get isSettled(): boolean {
    return (
      this.outstanding.size === 0 && this.pending.size === 0 && this.refused.size === 0 && !this.mustAnswer
    );
  }

  wants(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  /** Asks for one name: it is answered, whatever the client was told before. */
  subscribe(name: string): void {
    this.names.add(name);
    this.sent.delete(name);
    this.absent.delete(name);
    this.pending.add(name);
  }

  /** Ends the interest in one name. A client that still wants everything may have dropped it, and is told of it again. */
  unsubscribe(name: string): void {
    const wasNamed = this.names.delete(name);
    if (!this.wildcard) this.forget(name);
    else if (wasNamed) {
      this.absent.delete(name);
      this.sent.set(name, UNKNOWN_VERSION);
      this.pending.add(name);
    }
  }

  /** Forgets everything that is no longer wanted: the client drops it without being told. */
  forgetUnwanted(): void {
    for (const held of [this.sent.keys(), this.absent, this.pending, this.refused]) {
      for (const name of [...held]) if (!this.wants(name)) this.forget(name);
    }
  }

  forget(name: string): void {
    this.sent.delete(name);
    this.absent.delete(name);
    this.pending.delete(name);
    if (!this.refused.delete(name)) return;
    if (this.refused.size === 0) this.nack = undefined;
    this.resendRefused();
  }

  /** The client refused an answer that told of this name: what it holds is what it held before, or that very answer. */
  refuse(name: string): void {
    this.refused.add(name);
    if (!this.sent.has(name)) this.sent.set(name, UNKNOWN_VERSION);
    this.absent.delete(name);
  }

  /** The client took what it had refused, or let go of it: what was refused with it may have been good and is due again. */
  resendRefused(): void {
    for (const name of this.refused) {
      if (this.sent.has(name)) this.sent.set(name, UNKNOWN_VERSION);
      this.pending.add(name);
    }
  }

  /** The answers that are done with when the client speaks of `nonce`: that one, and what came before it. */
  settle(nonce: string): OutstandingAnswer[] {
    const done: OutstandingAnswer[] = [];
    if (!this.outstanding.has(nonce)) return done;
    for (const [key, answer] of this.outstanding) {
      this.outstanding.delete(key);
      done.push(answer);
      if (key === nonce) break;
    }
    return done;
  }
}
