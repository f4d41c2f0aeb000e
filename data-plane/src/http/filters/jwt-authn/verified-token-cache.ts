import type { AcceptedJwt } from '@heddle/engine';

/** Envoy's bound: longer tokens are verified each time. */
const MAX_TOKEN_LENGTH = 4 * 1024;

/**
 * The tokens of one provider whose signature was good, least recently used first out. Whether they are valid still, and for whom, is
 * asked each time.
 *
 * Bounds: `size` tokens of at most 4 KiB. What was refused is never kept, so that nobody without good tokens can fill it.
 */
export class VerifiedTokenCache {
  readonly #size: number;
  readonly #tokens = new Map<string, AcceptedJwt>();

  constructor(size: number) {
    this.#size = size;
  }

  get(token: string): AcceptedJwt | undefined {
    const found = this.#tokens.get(token);
    if (found === undefined) return undefined;
    this.#tokens.delete(token);
    this.#tokens.set(token, found);
    return found;
  }

  /** Returns whether another one had to go. */
  add(token: string, accepted: AcceptedJwt): boolean {
    if (token.length > MAX_TOKEN_LENGTH) return false;
    this.#tokens.set(token, accepted);
    if (this.#tokens.size <= this.#size) return false;
    for (const oldest of this.#tokens.keys()) {
      this.#tokens.delete(oldest);
      break;
    }
    return true;
  }
}
