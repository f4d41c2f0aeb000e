import type { HeaderMap } from '@heddle/engine';
import { fieldText } from './head-text.js';
import type { HeldWriter } from './held-writer.js';

/** How the body of the message being written is framed. */
export const BodyFraming = { None: 0, Length: 1, Chunked: 2, Raw: 3 } as const;

/** Writes the body of one message at a time, framed as its head said. */
export class BodyWriter {
  readonly #writer: HeldWriter;
  #framing: number = BodyFraming.None;
  #remaining = 0;

  constructor(writer: HeldWriter) {
    this.#writer = writer;
  }

  /** `length` counts for `BodyFraming.Length` alone. */
  begin(framing: number, length = 0): void {
    this.#framing = framing;
    this.#remaining = length;
  }

  /** Returns false when the body is not as long as its head said: the connection cannot be used any more. */
  data(chunk: Buffer, endStream: boolean): boolean {
    let isRight = true;
    switch (this.#framing) {
      case BodyFraming.Length:
        if (chunk.length > this.#remaining) {
          isRight = false;
          chunk = chunk.subarray(0, this.#remaining);
        }
        this.#remaining -= chunk.length;
        if (endStream && this.#remaining > 0) isRight = false;
        if (chunk.length > 0) this.#writer.data('', chunk, '');
        break;
      case BodyFraming.Chunked:
        if (chunk.length > 0) {
          this.#writer.data(`${chunk.length.toString(16)}\r\n`, chunk, endStream ? '\r\n0\r\n\r\n' : '\r\n');
        } else if (endStream) {
          this.#writer.hold('0\r\n\r\n');
        }
        break;
      case BodyFraming.Raw:
        if (chunk.length > 0) this.#writer.data('', chunk, '');
        break;
      default:
        break;
    }
    if (endStream) this.#writer.flush();
    return isRight;
  }

  /** Returns as `data` does. Trailers of a body that is not chunked cannot be written and are left out. */
  trailers(trailers: HeaderMap, enabled: boolean): boolean {
    if (this.#framing !== BodyFraming.Chunked) return this.data(NOTHING, true);
    this.#writer.write(enabled ? `0${fieldText(trailers)}\r\n\r\n` : '0\r\n\r\n');
    return true;
  }
}

const NOTHING = Buffer.alloc(0);
