import CircuitBreaker from 'opossum';
import type { FetchText } from './load-key-set.js';

/** More origins share none; the one that was used least recently forgets what it knew. */
const MAX_BREAKERS = 256;

/** Said when nobody was asked, because nobody answered before. */
export class OpenBreakerError extends Error {
  override readonly name = 'OpenBreakerError';
}

/**
 * One breaker for each origin, so that many policies with one dead issuer do not all wait for it, and do not hammer it when it comes
 * back.
 */
export class OriginBreakers {
  readonly #fetchText: FetchText;
  readonly #breakers = new Map<string, CircuitBreaker<[string, number], string>>();

  constructor(fetchText: FetchText) {
    this.#fetchText = fetchText;
  }

  readonly fetchText: FetchText = async (url, timeoutMs) => {
    try {
      return await this.#breakerOf(new URL(url).origin).fire(url, timeoutMs);
    } catch (cause) {
      if (CircuitBreaker.isOurError(cause as Error)) {
        throw new OpenBreakerError(
          `${new URL(url).host} is not asked again for a while, as it failed before`,
        );
      }
      throw cause;
    }
  };

  /** Lets go of their timers. */
  close(): void {
    for (const breaker of this.#breakers.values()) breaker.shutdown();
    this.#breakers.clear();
  }

  #breakerOf(origin: string): CircuitBreaker<[string, number], string> {
    const known = this.#breakers.get(origin);
    if (known !== undefined) {
      this.#breakers.delete(origin);
      this.#breakers.set(origin, known);
      return known;
    }
    const breaker = new CircuitBreaker<[string, number], string>(this.#fetchText, {
      // The fetch has a time limit of its own, and ends what it began.
      timeout: false,
      volumeThreshold: 5,
      errorThresholdPercentage: 50,
      rollingCountTimeout: 60_000,
      resetTimeout: 30_000,
      capacity: 4,
      enableSnapshots: false,
    });
    this.#breakers.set(origin, breaker);
    if (this.#breakers.size > MAX_BREAKERS) this.#forgetOldest();
    return breaker;
  }

  #forgetOldest(): void {
    for (const [origin, breaker] of this.#breakers) {
      breaker.shutdown();
      this.#breakers.delete(origin);
      return;
    }
  }
}
