/** A parser of bytes that somebody else sent, as the fuzzer sees it. */
export interface FuzzTarget {
  readonly name: string;
  /**
   * Gives the parts, in their order, to a parser of its own, and tells in words what came of it: two inputs that were understood alike
   * give the same text. Errors: whatever it throws is a finding; errors that the parser declares are a part of the text.
   */
  readonly run: (parts: readonly Buffer[]) => string;
  /** Whether the bytes may come in any pieces. Where not, `run` is only given one part. */
  readonly isStream: boolean;
  /** What means something to the parser: put into inputs as it is. */
  readonly tokens: readonly (string | Buffer)[];
  /** Longer inputs are cut. Default: 4096 bytes. */
  readonly mostBytes?: number;
}

export const MOST_INPUT_BYTES = 64 * 1024;
export const USUAL_INPUT_BYTES = 4096;
