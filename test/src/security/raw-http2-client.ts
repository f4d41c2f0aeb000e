import { connect, type Socket } from 'node:net';
import {
  CLIENT_PREFACE,
  decodeFields,
  Flag,
  frame,
  FrameType,
  HpackDecoder,
  type ReadFrame,
} from '@heddle/data-plane/testing';

const FRAME_HEADER_BYTES = 9;

type Fields = readonly (readonly [name: string, value: string])[];

/** Fields of a request for `path`. */
export function requestFields(path: string, further: Fields = [], method = 'GET'): Fields {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', 'a'], ...further];
}

/** A header block of literals, so that any byte can be said; Latin-1. */
export function literalFields(fields: Fields): Buffer {
  const text = (value: string): Buffer[] => {
    const bytes = Buffer.from(value, 'latin1');
    return [hpackInteger(0, 7, bytes.length), bytes];
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), ...text(name), ...text(value)]));
}

/** Source: RFC 7541, section 5.1. */
export function hpackInteger(first: number, prefixBits: number, value: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.of(first | value);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A client of HTTP/2 that sends what it is told to, right or wrong. */
export class RawHttp2Client {
  readonly socket: Socket;
  readonly frames: ReadFrame[] = [];
  readonly #decoder = new HpackDecoder(4096);
  /** Fields of HEADERS frames, by stream, in the order in which they came. */
  readonly #heads = new Map<number, Record<string, string>[]>();
  #rest: Buffer = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();
  closed = false;

  static async connect(port: number, settings: Uint8Array = Buffer.alloc(0)): Promise<RawHttp2Client> {
    const client = new RawHttp2Client(port);
    client.send(CLIENT_PREFACE, frame(FrameType.Settings, 0, 0, settings));
    await client.until(() => client.frames.some(({ type }) => type === FrameType.Settings));
    return client;
  }

  private constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      for (const look of this.#waiting) look();
    });
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Resolves when the kernel has taken these bytes, or the connection is closed. */
  written(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.socket.off('close', done);
        resolve();
      };
      this.socket.once('close', done);
      this.socket.write(bytes, done);
    });
  }

  /** HEADERS of a stream, whole. */
  headers(streamId: number, fields: Fields, endStream = true): void {
    const flags = Flag.EndHeaders | (endStream ? Flag.EndStream : 0);
    this.send(frame(FrameType.Headers, flags, streamId, literalFields(fields)));
  }

  data(streamId: number, text: string | Buffer, endStream = false): void {
    this.send(frame(FrameType.Data, endStream ? Flag.EndStream : 0, streamId, text));
  }

  /** Resolves once it holds; rejects when the connection ends before that. The test's own timeout bounds it. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (holds()) resolve();
        else if (this.closed) reject(new Error(`the connection ended after ${this.#told}`));
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  untilClosed(): Promise<void> {
    return this.until(() => this.closed);
  }

  /** How a stream ended: the status of its answer, or `reset` with a code. */
  async outcome(streamId: number): Promise<{ readonly status?: number; readonly reset?: number }> {
    const reset = (): ReadFrame | undefined =>
      this.frames.find(({ type, streamId: id }) => type === FrameType.RstStream && id === streamId);
    const ended = (): boolean =>
      this.frames.some(
        ({ type, flags, streamId: id }) =>
          id === streamId && type <= FrameType.Headers && (flags & Flag.EndStream) !== 0,
      );
    await this.until(() => reset() !== undefined || ended());
    const head = this.#heads.get(streamId)?.find((fields) => !fields[':status']?.startsWith('1'));
    if (head !== undefined) return { status: Number(head[':status']) };
    return { reset: reset()?.payload.readUInt32BE(0) ?? -1 };
  }

  /** The heads of a stream: interim and final ones, and trailers. */
  heads(streamId: number): readonly Readonly<Record<string, string>>[] {
    return this.#heads.get(streamId) ?? [];
  }

  body(streamId: number): Buffer {
    const parts = this.frames.filter(({ type, streamId: id }) => type === FrameType.Data && id === streamId);
    return Buffer.concat(parts.map(({ payload }) => payload));
  }

  /** The error code of a GOAWAY that came. */
  get goAway(): number | undefined {
    return this.frames.find(({ type }) => type === FrameType.GoAway)?.payload.readUInt32BE(4);
  }

  close(): void {
    this.socket.destroy();
  }

  get #told(): string {
    return this.frames.map(({ type, streamId }) => `${type}:${streamId}`).join(' ');
  }

  #read(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      this.#take({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        streamId: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(FRAME_HEADER_BYTES, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    for (const look of this.#waiting) look();
  }

  #take(read: ReadFrame): void {
    this.frames.push(read);
    if (read.type === FrameType.Headers) {
      const fields = Object.fromEntries(decodeFields(this.#decoder, read.payload) ?? []);
      this.#heads.set(read.streamId, [...(this.#heads.get(read.streamId) ?? []), fields]);
    } else if (read.type === FrameType.Settings && (read.flags & Flag.Ack) === 0) {
      this.send(frame(FrameType.Settings, Flag.Ack, 0));
    }
  }
}
