export interface Http1Message {
  readonly startLine: string;
  /** In the order and case of the wire. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [name: string, value: string])[];
  /** The connection ended before the message did. */
  readonly truncated: boolean;
}

export interface Http1Head {
  readonly startLine: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

export interface Http1ReaderOptions {
  readonly kind: 'request' | 'response';
  readonly onMessage: (message: Http1Message) => void;
  readonly onHead?: (head: Http1Head) => void;
  /** Whether the response that is read now has no body because of the request's method. */
  readonly isHead?: () => boolean;
}

/**
 * Reads HTTP/1.1 messages exactly as they were written, for tests that look at bytes: nothing is repaired, joined or
 * left out. For well-formed messages of the size of tests alone; what is not such a message throws.
 */
export class Http1Reader {
  readonly #options: Http1ReaderOptions;
  #bytes: Buffer = Buffer.alloc(0);
  #head: Http1Head | undefined;
  /** After an upgrade or CONNECT nothing more is a message. */
  #raw = false;

  constructor(options: Http1ReaderOptions) {
    this.#options = options;
  }

  /** What was read and is not part of a complete message. */
  get rest(): Buffer {
    return this.#bytes;
  }

  /** Takes no further messages: everything from here on is `rest`. */
  stop(): void {
    this.#raw = true;
  }

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (!this.#raw && this.#bytes.length > 0 && this.#next());
  }

  /** The other side has ended: completes a body that lasts until then, and gives out what is incomplete as such. */
  end(): void {
    if (this.#raw) return;
    const head = this.#head;
    if (head !== undefined) {
      const untilEnd = this.#bodyKind(head) === 'until-end';
      this.#finish(head, this.#bytes, [], this.#bytes.length, !untilEnd);
    }
  }

  #next(): boolean {
    if (this.#head === undefined) {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return false;
      const [startLine = '', ...lines] = this.#bytes.toString('latin1', 0, end).split('\r\n');
      this.#bytes = this.#bytes.subarray(end + 4);
      this.#head = { startLine, fields: lines.map(readField) };
      this.#options.onHead?.(this.#head);
    }
    const head = this.#head;
    const kind = this.#bodyKind(head);
    if (kind === 'until-end') return false;
    if (kind === 'chunked') return this.#readChunks(head);
    if (this.#bytes.length < kind) return false;
    this.#finish(head, this.#bytes.subarray(0, kind), [], kind, false);
    return true;
  }

  #bodyKind(head: Http1Head): number | 'chunked' | 'until-end' {
    if (this.#options.kind === 'response') {
      const status = Number(head.startLine.split(' ')[1]);
      if (status < 200 || status === 204 || status === 304 || this.#options.isHead?.() === true) return 0;
    }
    if (fieldOf(head.fields, 'transfer-encoding')?.toLowerCase() === 'chunked') return 'chunked';
    const length = fieldOf(head.fields, 'content-length');
    if (length !== undefined) return Number(length);
    return this.#options.kind === 'response' ? 'until-end' : 0;
  }

  #readChunks(head: Http1Head): boolean {
    const parts: Buffer[] = [];
    for (let at = 0; ;) {
      const lineEnd = this.#bytes.indexOf('\r\n', at);
      if (lineEnd < 0) return false;
      const size = Number.parseInt(this.#bytes.toString('latin1', at, lineEnd), 16);
      if (Number.isNaN(size)) throw new Error(`not a chunk: ${this.#bytes.toString('latin1', at, lineEnd)}`);
      at = lineEnd + 2;
      if (size === 0) {
        const trailers: (readonly [string, string])[] = [];
        for (;;) {
          const end = this.#bytes.indexOf('\r\n', at);
          if (end < 0) return false;
          const line = this.#bytes.toString('latin1', at, end);
          at = end + 2;
          if (line === '') {
            this.#finish(head, Buffer.concat(parts), trailers, at, false);
            return true;
          }
          trailers.push(readField(line));
        }
      }
      if (this.#bytes.length < at + size + 2) return false;
      parts.push(this.#bytes.subarray(at, at + size));
      at += size + 2;
    }
  }

  #finish(
    head: Http1Head,
    body: Buffer,
    trailers: Http1Message['trailers'],
    used: number,
    truncated: boolean,
  ): void {
    this.#head = undefined;
    this.#bytes = this.#bytes.subarray(used);
    if (this.#options.kind === 'response' && head.startLine.split(' ')[1] === '101') this.stop();
    this.#options.onMessage({ ...head, body: Buffer.from(body), trailers, truncated });
  }
}

/** The first field of this name (lower case). */
export function fieldOf(fields: Http1Head['fields'], name: string): string | undefined {
  return fields.find(([given]) => given.toLowerCase() === name)?.[1];
}

function readField(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}
