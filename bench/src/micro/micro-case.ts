/** One hot function under a micro-benchmark. */
export interface MicroCase {
  /** `part: what`, for example `matcher: exact path, last of 10,000`. */
  readonly name: string;
  /**
   * Prepares the inputs and returns the batch that is timed: it performs the operation `count` times.
   *
   * The batch returns something computed from every result, so that no operation can be optimised away.
   */
  create(): (count: number) => unknown;
}
