import { BYTE_CLASS, COLON, CR, LF, SPACE, TAB, TARGET, TOKEN, VALUE } from './byte-class.js';
import { badRequest, tooLarge, type ParseFailure } from './parse-failure.js';

/** How much of a head or trailer section is taken. */
export interface HeadLimits {
  readonly maxHeadersBytes: number;
  readonly maxHeadersCount: number;
}

/** The section does not end within the bytes at hand. */
export const NEED_MORE = -1;
/** See `HeadScan.failure`. */
export const FAILED = -2;

const NO_START_LINE = -1;

/**
 * Finds and validates the lines and fields of a head in one pass, and remembers where they are.
 *
 * Source: RFC 9112 sections 2 to 5, taken strictly: lines end in CR LF, no folding, no bare CR, no NUL, no space before a
 * colon (which is removed from responses, as section 5.1 demands).
 * Shape: one instance is reused for every message of its thread; read it before the next scan. `text` is the section in
 * latin1, and field `i` has its name in `text` from `offsets[4i]` to `offsets[4i+1]`, its value to `offsets[4i+3]`.
 * Cost: each byte is looked at once, one string is made.
 */
export class HeadScan {
  offsets = new Int32Array(4 * 128);
  fieldCount = 0;
  /** Length of the start line within `text`. */
  startLineLength = 0;
  text = '';
  failure: ParseFailure = badRequest('');

  /** Scans a request's head, which lies between `start` and `end` of `bytes`. Returns the offset after it, `NEED_MORE` or `FAILED`. */
  scanRequest(bytes: Buffer, start: number, end: number, limits: HeadLimits): number {
    let position = start;
    while (position < end) {
      const byte = bytes[position] as number;
      if ((BYTE_CLASS[byte] as number) & TARGET || byte === SPACE) position++;
      else break;
    }
    return this.#scanAfterStartLine(bytes, start, end, position, limits, false);
  }

  /** Scans a response's head. Returns the offset after it, `NEED_MORE` or `FAILED`. */
  scanResponse(bytes: Buffer, start: number, end: number, limits: HeadLimits): number {
    let position = start;
    while (position < end && (BYTE_CLASS[bytes[position] as number] as number) & VALUE) position++;
    return this.#scanAfterStartLine(bytes, start, end, position, limits, true);
  }

  /** Scans trailers: fields alone. Returns the offset after them, `NEED_MORE` or `FAILED`. */
  scanTrailers(bytes: Buffer, start: number, end: number, limits: HeadLimits): number {
    return this.#scanFields(bytes, start, end, start, limits, NO_START_LINE, false);
  }

  #scanAfterStartLine(
    bytes: Buffer,
    start: number,
    end: number,
    lineEnd: number,
    limits: HeadLimits,
    isResponse: boolean,
  ): number {
    if (lineEnd === end) return this.#needMore(end - start, limits);
    if (bytes[lineEnd] !== CR) {
      return this.#fail(
        bytes[lineEnd] === LF
          ? 'the first line ends in a bare line feed'
          : 'the first line has a byte that is not allowed there',
      );
    }
    if (lineEnd + 1 === end) return this.#needMore(end - start, limits);
    if (bytes[lineEnd + 1] !== LF) return this.#fail('a carriage return is not followed by a line feed');
    return this.#scanFields(bytes, start, end, lineEnd + 2, limits, lineEnd - start, isResponse);
  }

  #scanFields(
    bytes: Buffer,
    start: number,
    end: number,
    firstField: number,
    limits: HeadLimits,
    startLineLength: number,
    isResponse: boolean,
  ): number {
    let position = firstField;
    let count = 0;
    for (;;) {
      if (position === end) return this.#needMore(end - start, limits);
      const nameStart = position;
      while (position < end && (BYTE_CLASS[bytes[position] as number] as number) & TOKEN) position++;
      if (position === end) return this.#needMore(end - start, limits);
      let byte = bytes[position] as number;
      const nameEnd = position;
      if (nameEnd === nameStart) {
        if (byte !== CR) return this.#failAtName(byte, true);
        if (position + 1 === end) return this.#needMore(end - start, limits);
        if (bytes[position + 1] !== LF) return this.#fail('a carriage return is not followed by a line feed');
        return this.#finish(bytes, start, position + 2, count, startLineLength, limits);
      }
      if (isResponse && byte !== COLON) {
        while (position < end && (byte === SPACE || byte === TAB)) byte = bytes[++position] as number;
        if (position === end) return this.#needMore(end - start, limits);
      }
      if (byte !== COLON) return this.#failAtName(byte, false);
      position++;
      while (position < end && (bytes[position] === SPACE || bytes[position] === TAB)) position++;
      const valueStart = position;
      while (position < end && (BYTE_CLASS[bytes[position] as number] as number) & VALUE) position++;
      if (position === end) return this.#needMore(end - start, limits);
      if (bytes[position] !== CR) return this.#failInValue(bytes[position] as number);
      if (position + 1 === end) return this.#needMore(end - start, limits);
      if (bytes[position + 1] !== LF) return this.#fail('a carriage return is not followed by a line feed');
      let valueEnd = position;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB))
        valueEnd--;
      position += 2;
      if (count === limits.maxHeadersCount) {
        this.failure = tooLarge(
          `more than ${limits.maxHeadersCount} header fields`,
          'http1.too_many_headers',
        );
        return FAILED;
      }
      const at = 4 * count++;
      if (at === this.offsets.length) this.#grow();
      const offsets = this.offsets;
      offsets[at] = nameStart - start;
      offsets[at + 1] = nameEnd - start;
      offsets[at + 2] = valueStart - start;
      offsets[at + 3] = valueEnd - start;
    }
  }

  #finish(
    bytes: Buffer,
    start: number,
    end: number,
    count: number,
    startLineLength: number,
    limits: HeadLimits,
  ): number {
    if (end - start > limits.maxHeadersBytes) return this.#failTooLarge(limits);
    this.fieldCount = count;
    this.startLineLength = startLineLength;
    this.text = count === 0 && startLineLength === NO_START_LINE ? '' : bytes.toString('latin1', start, end);
    return end;
  }

  #grow(): void {
    const grown = new Int32Array(this.offsets.length * 2);
    grown.set(this.offsets);
    this.offsets = grown;
  }

  #needMore(bytesSoFar: number, limits: HeadLimits): number {
    return bytesSoFar > limits.maxHeadersBytes ? this.#failTooLarge(limits) : NEED_MORE;
  }

  #failTooLarge(limits: HeadLimits): number {
    this.failure = tooLarge(`header fields of more than ${limits.maxHeadersBytes} bytes`);
    return FAILED;
  }

  #failAtName(byte: number, empty: boolean): number {
    if (byte === LF) return this.#fail('a header line ends in a bare line feed');
    if (empty && (byte === SPACE || byte === TAB)) return this.#fail('a folded header line (obs-fold)');
    if (empty) return this.#fail('a header field without a name');
    if (byte === SPACE || byte === TAB) return this.#fail('white space between a header name and its colon');
    return this.#fail('a header name has a byte that is not allowed there');
  }

  #failInValue(byte: number): number {
    if (byte === LF) return this.#fail('a header line ends in a bare line feed');
    return this.#fail('a header value has a control byte');
  }

  #fail(reason: string): number {
    this.failure = badRequest(reason);
    return FAILED;
  }
}
