import { FakeClock } from '@heddle/common';
import { DEFAULT_HTTP2_CONFIG, type Http2Config } from '@heddle/engine';
import { Deadlines } from '../codec/http1/deadline-queue.js';
import { fieldName } from '../codec/http2/field-name.js';
import {
  CLIENT_PREFACE,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  readId,
  readUint32,
  writeFrameHeader,
} from '../codec/http2/frame.js';
import { HpackDecoder } from '../codec/http2/hpack-decoder.js';
import { HpackEncoder } from '../codec/http2/hpack-encoder.js';
import { Http2Stats } from '../codec/http2/http2-stats.js';
import { ServerCodecHttp2, type Http2ServerConfig } from '../codec/http2/server-codec.js';
import { StatsStore } from '../stats/stats-store.js';
import { FakeSocket } from './fake-socket.js';
import { RecordingServer, type RecordedRequest } from './recording-receivers.js';
import { answerOk, SERVER_CODEC_CONFIG } from './server-codec-under-test.js';

/** Envoy's defaults. */
export const HTTP2_SERVER_CONFIG: Http2ServerConfig = Object.freeze({
  ...SERVER_CODEC_CONFIG,
  drainTimeoutMs: 5000,
  streamIdleTimeoutMs: 300_000,
  http2: DEFAULT_HTTP2_CONFIG,
});

/** A frame as it stands in bytes. */
export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** One frame. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array | string = '',
): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + body.length);
  bytes.set(body, writeFrameHeader(bytes, 0, body.length, type, flags, streamId));
  return bytes;
}

/** The frames in bytes that hold nothing else. */
export function readFrames(bytes: Buffer): ReadFrame[] {
  const frames: ReadFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const start = at + FRAME_HEADER_BYTES;
    frames.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      streamId: readId(bytes, at + 5),
      payload: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return frames;
}

/** A header block, encoded. */
export function encodeFields(encoder: HpackEncoder, fields: readonly (readonly [string, string])[]): Buffer {
  const bytes = Buffer.alloc(
    64 + fields.reduce((sum, [name, value]) => sum + name.length + value.length + 16, 0),
  );
  encoder.begin(bytes, 0);
  for (const [name, value] of fields) encoder.field(fieldName(name), value);
  return bytes.subarray(0, encoder.end());
}

/** The fields of a header block; undefined if it is broken. */
export function decodeFields(decoder: HpackDecoder, bytes: Buffer): [string, string][] | undefined {
  const fields: [string, string][] = [];
  const sink = { onField: (name: { name: string }, value: string) => void fields.push([name.name, value]) };
  return decoder.decode(bytes, 0, bytes.length, sink) ? fields : undefined;
}

/** A server codec over a fake socket and clock, and the client's side of the protocol. */
export class Http2ServerUnderTest {
  readonly socket = new FakeSocket();
  readonly clock = new FakeClock();
  readonly stats = new StatsStore();
  readonly server: RecordingServer;
  readonly codec: ServerCodecHttp2;
  readonly #encoder = new HpackEncoder(4096);
  readonly #decoder = new HpackDecoder(4096);

  constructor(
    config: Partial<Omit<Http2ServerConfig, 'http2'>> & { readonly http2?: Partial<Http2Config> } = {},
    onEnd: (request: RecordedRequest) => void = answerOk,
    bufferLimitBytes = 0,
  ) {
    this.server = new RecordingServer(onEnd);
    this.codec = new ServerCodecHttp2(this.socket.asSocket(), this.server, {
      config: { ...HTTP2_SERVER_CONFIG, ...config, http2: { ...DEFAULT_HTTP2_CONFIG, ...config.http2 } },
      bufferLimitBytes,
      deadlines: new Deadlines(this.clock),
      stats: new Http2Stats(this.stats, 'http2', []),
      id: 1,
      scheme: 'http',
    });
  }

  /** As a client begins. */
  start(): this {
    this.receive(CLIENT_PREFACE, frame(FrameType.Settings, 0, 0));
    return this;
  }

  receive(...bytes: Buffer[]): void {
    this.codec.receive(Buffer.concat(bytes));
  }

  /** HEADERS of a request. */
  request(streamId: number, flags: number, fields: readonly (readonly [string, string])[] = []): Buffer {
    const pseudo = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':authority', 'a'],
      [':path', '/'],
    ] as const;
    return this.headers(
      streamId,
      flags,
      fields.some(([name]) => name === ':method') ? fields : [...pseudo, ...fields],
    );
  }

  headers(streamId: number, flags: number, fields: readonly (readonly [string, string])[]): Buffer {
    return frame(FrameType.Headers, flags | Flag.EndHeaders, streamId, encodeFields(this.#encoder, fields));
  }

  /** What was written since the last call. */
  written(): ReadFrame[] {
    this.codec.output.flush();
    const frames = readFrames(Buffer.from(this.socket.text, 'latin1'));
    this.socket.clear();
    return frames;
  }

  fieldsOf({ payload }: ReadFrame): Record<string, string> {
    return Object.fromEntries(decodeFields(this.#decoder, payload) ?? []);
  }

  /** The error code of a GOAWAY that was written. */
  goAway(frames = this.written()): number | undefined {
    const found = frames.find(({ type }) => type === FrameType.GoAway);
    return found === undefined ? undefined : readUint32(found.payload, 4);
  }

  counter(name: string): number {
    return this.stats.counter(`http2.${name}`).value;
  }
}
