import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

/** Of this process alone, so that a digest tells nothing of a text to anybody else. */
const key = randomBytes(32);

/**
 * Text that may be used and must not be seen: a private key, a password.
 *
 * Shape: neither logs nor JSON show it. Two are equal (`isDeepStrictEqual`, equal JSON) when their texts are, because their digests
 * are.
 */
export class HiddenText {
  /** Differs where the text differs; the same only within this process. */
  readonly digest: string;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    this.digest = createHmac('sha256', key).update(text).digest('base64url');
    Object.freeze(this);
  }

  /** The text, for whoever has to use it. It must not be stored or sent. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}
