/** A flag of compression, and a length of four bytes. */
const PREFIX_BYTES = 5;

/**
 * Counts the messages of one direction of a call by gRPC, by their length prefixes alone, however they are cut into chunks.
 *
 * Source: gRPC over HTTP/2, `Length-Prefixed-Message`. Cost: nothing is decoded or copied.
 */
export class GrpcMessages {
  /** Messages that have begun. */
  count = 0;
  /** Of the message under way. */
  #left = 0;
  /** Of the prefix under way. */
  #prefixBytes = 0;
  #length = 0;

  /** Whether no message is under way. */
  get isBetween(): boolean {
    return this.#left === 0 && this.#prefixBytes === 0;
  }

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at = this.advance(chunk, at);
  }

  /** Goes on to where the message under way ends, or the chunk, and returns where that is. */
  advance(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - at);
        this.#left -= skipped;
        return at + skipped;
      }
      // The flag comes first and is not a part of the length.
      this.#length = this.#prefixBytes === 0 ? 0 : this.#length * 256 + (chunk[at] as number);
      at++;
      if (++this.#prefixBytes < PREFIX_BYTES) continue;
      this.#prefixBytes = 0;
      this.#left = this.#length;
      this.count++;
      if (this.#left === 0) return at;
    }
    return at;
  }
}
