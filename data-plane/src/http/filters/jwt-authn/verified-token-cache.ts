import type { AcceptedJwt } from '@heddle/engine';

/** Envoy's bound: longer tokens are verified each time. */
const MAX_TOKEN_LENGTH = 4 * 1024;

/**
 * The tokens of one provider whose signature was good. Whether they are valid still, and for whom, is asked each time.
 *
 * Two generations stand for an order of use: what is used moves to the young one; when that is full it becomes the old one, and what
 * was old and not used since is forgotten.
 *
 * Bounds: `size` tokens (at least two) of at most 4 KiB. What was refused is never kept, so that nobody without good tokens can fill it.
 * Cost: a token that is used often is looked up once, and nothing is written.
 */
export class VerifiedTokenCache {
  readonly #generationSize: number;
  #young = new Map<string, AcceptedJwt>();
  #old: ReadonlyMap<string, AcceptedJwt> = new Map();

  constructor(size: number) {
    this.#generationSize = Math.max(1, size >> 1);
  }

  get(token: string): AcceptedJwt | undefined {
    const young = this.#young.get(token);
    if (young !== undefined) return young;
    const old = this.#old.get(token);
    if (old !== undefined) this.add(token, old);
    return old;
  }

  /** Returns how many others had to go. */
  add(token: string, accepted: AcceptedJwt): number {
    if (token.length > MAX_TOKEN_LENGTH) return 0;
    let forgotten = 0;
    if (this.#young.size >= this.#generationSize) {
      for (const old of this.#old.keys()) if (!this.#young.has(old) && old !== token) forgotten++;
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(token, accepted);
    return forgotten;
  }
}
