import type { Socket } from 'node:net';
import { createDeadline, type Deadlines } from '../codec/http1/deadline-queue.js';
import { DRAINED_WHEN_IDLE_MS } from '../codec/http1/server-codec.js';
import { CLIENT_PREFACE } from '../codec/http2/frame.js';
import type { LentMemory } from '../codec/lent-memory.js';
import { receiveBytes, type ByteReceiver } from '../codec/socket-reads.js';

/** So much of it no other protocol begins with. Source: Envoy's Http2::CLIENT_MAGIC_PREFIX. */
const PREFIX = CLIENT_PREFACE.subarray(0, 'PRI * HTTP/2'.length);

export interface CodecChoiceOptions {
  readonly deadlines: Deadlines;
  /** 0 disables. */
  readonly idleTimeoutMs: number;
  /** Makes the codec, which takes all bytes from here on. */
  onChosen(isHttp2: boolean): ByteReceiver;
  /** The connection ended before it said anything of use. */
  onClose(): void;
}

/**
 * Finds out by its first bytes whether a client speaks HTTP/2 or HTTP/1.1.
 *
 * Bounds: at most the prefix is kept.
 */
export class CodecChoice implements ByteReceiver {
  readonly #socket: Socket;
  readonly #options: CodecChoiceOptions;
  #kept: Buffer | undefined = undefined;
  #isChosen = false;
  readonly #idle = createDeadline(() => this.close());
  readonly #onEnd = (): void => this.close();
  readonly #onClose = (): void => {
    this.#leave();
    this.#options.onClose();
  };

  constructor(socket: Socket, options: CodecChoiceOptions) {
    this.#socket = socket;
    this.#options = options;
    receiveBytes(socket, this);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    // 'close' follows every error.
    socket.on('error', ignore);
    // It may have been accepted paused.
    socket.resume();
    options.deadlines.set(this.#idle, options.idleTimeoutMs);
  }

  receive(bytes: Buffer): void {
    const all = this.#kept === undefined ? bytes : Buffer.concat([this.#kept, bytes]);
    this.#choose(all, 0, all.length)?.receive(all);
  }

  receiveLent(memory: LentMemory, start: number, end: number): void {
    if (this.#kept !== undefined) this.receive(Buffer.from(memory.bytes.subarray(start, end)));
    else this.#choose(memory.bytes, start, end)?.receiveLent(memory, start, end);
  }

  expectedBytes(): number {
    return 0;
  }

  drain(closesIdle: boolean): void {
    if (closesIdle) this.#options.deadlines.set(this.#idle, DRAINED_WHEN_IDLE_MS);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Undefined while more has to come. */
  #choose(bytes: Buffer, start: number, end: number): ByteReceiver | undefined {
    if (this.#isChosen) return undefined;
    const length = Math.min(PREFIX.length, end - start);
    let isHttp2 = true;
    for (let i = 0; i < length && isHttp2; i++) isHttp2 = bytes[start + i] === PREFIX[i];
    if (isHttp2 && length < PREFIX.length) {
      this.#kept = Buffer.from(bytes.subarray(start, end));
      return undefined;
    }
    this.#leave();
    return this.#options.onChosen(isHttp2);
  }

  #leave(): void {
    this.#isChosen = true;
    this.#kept = undefined;
    this.#options.deadlines.clear(this.#idle);
    this.#socket.removeListener('end', this.#onEnd);
    this.#socket.removeListener('close', this.#onClose);
  }
}

function ignore(): void {
  // Nothing to do.
}
