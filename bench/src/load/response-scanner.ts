/** What one scanned response was. `problem` is undefined for a 200 with the expected number of body bytes. */
export type ResponseCallback = (problem: string | undefined) => void;

const HEAD_LIMIT_BYTES = 64 * 1024;
const CONTENT_LENGTH = /\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n/i;
const CONNECTION_CLOSE = /\r\nconnection:[ \t]*close[ \t]*\r\n/i;

/**
 * Counts HTTP/1.1 responses on one connection and checks status and body length, as cheaply as it can.
 *
 * Shape:  one request in flight at a time; every response carries content-length.
 * Errors: anything else is reported as a problem, never thrown.
 */
export class ResponseScanner {
  readonly #expectedBodyBytes: number;
  readonly #onResponse: ResponseCallback;
  /** Start of a head that has not fully arrived. */
  #head: Buffer | undefined;
  #bodyBytesLeft = 0;
  #inBody = false;
  #problem: string | undefined;

  constructor(expectedBodyBytes: number, onResponse: ResponseCallback) {
    this.#expectedBodyBytes = expectedBodyBytes;
    this.#onResponse = onResponse;
  }

  /** Takes the next bytes; they are not kept past the call. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#inBody) {
        const taken = Math.min(this.#bodyBytesLeft, chunk.length - offset);
        this.#bodyBytesLeft -= taken;
        offset += taken;
        if (this.#bodyBytesLeft === 0) this.#finish();
        continue;
      }
      let bytes = offset === 0 ? chunk : chunk.subarray(offset);
      if (this.#head !== undefined) bytes = Buffer.concat([this.#head, bytes]);
      const headEnd = bytes.indexOf('\r\n\r\n', 0, 'latin1');
      if (headEnd === -1) {
        if (bytes.length > HEAD_LIMIT_BYTES) return this.#onResponse('response head too large');
        this.#head = Buffer.from(bytes);
        return;
      }
      offset += headEnd + 4 - (this.#head?.length ?? 0);
      this.#head = undefined;
      this.#startBody(bytes.toString('latin1', 0, headEnd + 2));
      if (this.#bodyBytesLeft === 0) this.#finish();
    }
  }

  #startBody(head: string): void {
    const status = head.slice(9, 12);
    const length = CONTENT_LENGTH.exec(head)?.[1];
    this.#inBody = true;
    this.#bodyBytesLeft = length === undefined ? 0 : Number(length);
    if (!head.startsWith('HTTP/1.1 ')) this.#problem = 'not an HTTP/1.1 response';
    else if (status !== '200') this.#problem = `status ${status}`;
    else if (length === undefined) this.#problem = 'no content-length';
    else if (this.#bodyBytesLeft !== this.#expectedBodyBytes) {
      this.#problem = `${length} body bytes instead of ${this.#expectedBodyBytes}`;
    } else if (CONNECTION_CLOSE.test(head)) this.#problem = 'the connection is not kept alive';
  }

  #finish(): void {
    const problem = this.#problem;
    this.#inBody = false;
    this.#problem = undefined;
    this.#onResponse(problem);
  }
}
