/**
 * A source of randomness, passed in wherever chance decides, so that tests own it.
 *
 * Shape: each call returns the next number in [0, 1). Not for secrets.
 */
export type Random = () => number;

/** The machine's own randomness. */
export const systemRandom: Random = Math.random;

/**
 * A generator that gives the same numbers for the same seed, on every machine.
 *
 * Shape: a Weyl sequence with a mixing step of two multiplications; it passes for chance in tests and simulations, and
 * all 2^32 states are visited before it repeats.
 */
export function createSeededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
