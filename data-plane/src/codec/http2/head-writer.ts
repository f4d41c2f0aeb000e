import type { HeaderMap } from '@heddle/engine';
import { safeFieldValue } from '../http1/head-text.js';
import { fieldName, FieldRole } from './field-name.js';
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES, writeFrameHeader } from './frame.js';
import type { FrameOutput } from './frame-output.js';
import { maxFieldBytes, type HpackEncoder } from './hpack-encoder.js';

const METHOD = fieldName(':method');
const SCHEME = fieldName(':scheme');
const AUTHORITY = fieldName(':authority');
const PATH = fieldName(':path');
const PROTOCOL = fieldName(':protocol');
const STATUS = fieldName(':status');

/** Room for the pseudo-headers' names and what the encoder may say of its table. */
const BLOCK_OVERHEAD = 128;

const statusTexts = new Map<number, string>();

/** Writes the heads and trailers of one connection's messages as HEADERS frames, and CONTINUATION where one is too small. */
export class HeadWriter {
  readonly #output: FrameOutput;
  readonly #encoder: HpackEncoder;
  /** The buffer that the block is written to, and where it begins. */
  #buffer: Buffer = NOTHING;
  #start = 0;
  #isLarge = false;

  constructor(output: FrameOutput, encoder: HpackEncoder) {
    this.#output = output;
    this.#encoder = encoder;
  }

  /** `protocol`: of an extended CONNECT, or empty. Returns the bytes of the frames. */
  request(
    streamId: number,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderMap,
    endStream: boolean,
  ): number {
    const encoder = this.#encoder;
    const isPlainConnect = method === 'CONNECT' && protocol === '';
    this.#begin(method.length + scheme.length + authority.length + path.length + protocol.length, headers);
    encoder.field(METHOD, method);
    if (!isPlainConnect) encoder.field(SCHEME, scheme);
    if (authority !== '') encoder.field(AUTHORITY, authority);
    if (!isPlainConnect) encoder.field(PATH, path);
    if (protocol !== '') encoder.field(PROTOCOL, protocol);
    this.#fields(headers);
    return this.#end(streamId, endStream);
  }

  response(streamId: number, status: number, headers: HeaderMap, endStream: boolean): number {
    this.#begin(3, headers);
    this.#encoder.field(STATUS, statusText(status));
    this.#fields(headers);
    return this.#end(streamId, endStream);
  }

  trailers(streamId: number, trailers: HeaderMap): number {
    this.#begin(0, trailers);
    this.#fields(trailers);
    return this.#end(streamId, true);
  }

  #begin(pseudoBytes: number, headers: HeaderMap): void {
    const { names, values, checked } = headers;
    let most = BLOCK_OVERHEAD + pseudoBytes;
    for (let i = 0; i < names.length; i++) {
      if (i >= checked) values[i] = safeFieldValue(values[i] as string).trim();
      most += maxFieldBytes(names[i] as string, values[i] as string);
    }
    this.#isLarge = most > MAX_FRAME_BYTES;
    if (this.#isLarge) {
      this.#buffer = Buffer.allocUnsafe(most);
      this.#start = 0;
    } else {
      this.#buffer = this.#output.reserve(FRAME_HEADER_BYTES + most);
      this.#start = this.#output.position + FRAME_HEADER_BYTES;
    }
    this.#encoder.begin(this.#buffer, this.#start);
  }

  #fields(headers: HeaderMap): void {
    const { names, values } = headers;
    const encoder = this.#encoder;
    for (let i = 0; i < names.length; i++) {
      const name = fieldName(names[i] as string);
      const { role } = name;
      // What is about the connection, and what is no field, is not written whoever put it there.
      if (role !== FieldRole.Ordinary && role <= FieldRole.Te) {
        if (role !== FieldRole.Te || values[i] !== 'trailers') continue;
      } else if (role === FieldRole.Malformed || role === FieldRole.Host) continue;
      encoder.field(name, values[i] as string);
    }
  }

  #end(streamId: number, endStream: boolean): number {
    const buffer = this.#buffer;
    const start = this.#start;
    const end = this.#encoder.end();
    this.#buffer = NOTHING;
    const endFlag = endStream ? Flag.EndStream : 0;
    if (!this.#isLarge) {
      const flags = endFlag | Flag.EndHeaders;
      writeFrameHeader(buffer, start - FRAME_HEADER_BYTES, end - start, FrameType.Headers, flags, streamId);
      this.#output.commit(end);
      return end - start + FRAME_HEADER_BYTES;
    }
    let type: number = FrameType.Headers;
    let bytes = 0;
    for (let at = 0; at < end || at === 0; at += MAX_FRAME_BYTES) {
      const upTo = Math.min(end, at + MAX_FRAME_BYTES);
      const first = type === FrameType.Headers ? endFlag : 0;
      this.#output.frame(
        type,
        first | (upTo === end ? Flag.EndHeaders : 0),
        streamId,
        buffer.subarray(at, upTo),
      );
      type = FrameType.Continuation;
      bytes += FRAME_HEADER_BYTES + upTo - at;
    }
    return bytes;
  }
}

function statusText(status: number): string {
  let text = statusTexts.get(status);
  if (text === undefined) {
    text = String(status);
    // Three digits, so that there are few.
    statusTexts.set(status, text);
  }
  return text;
}

const NOTHING = Buffer.alloc(0);
