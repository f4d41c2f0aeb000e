import { connect, Socket, type NetConnectOpts, type OnReadOpts } from 'node:net';
import { nextMemory, sharedMemory, type LentMemory } from './lent-memory.js';

/** The most that a TLS record holds. Source: RFC 8446 section 5.1. */
const RECORD_BYTES = 16 * 1024;
const NEVER_JOINED = 0;

/** What takes the bytes of a connection. */
export interface ByteReceiver {
  /** Takes bytes that are the receiver's own. */
  receive(bytes: Buffer): void;
  /** Takes the bytes from `start` to `end` of memory that is written to again after this call: what is kept are parts of it. */
  receiveLent(memory: LentMemory, start: number, end: number): void;
  /** How much more of a large body is to come, after a read of `lastBytes`; 0 where that is not worth memory of its own. */
  expectedBytes(lastBytes: number): number;
}

/**
 * How one socket reads into memory of ours, instead of having Node allocate some for each read: by the option `onread`.
 *
 * Shape: until a receiver takes them, bytes can be had from the socket as usual, by `data` events.
 */
class SocketReads {
  readonly option: OnReadOpts = {
    buffer: () => this.#memoryForNextRead(),
    callback: (length) => this.#onRead(length),
  };
  /** A read of so many bytes is joined with those that follow it in this turn of the event loop. */
  readonly #joinedBytes: number;
  #memory = sharedMemory();
  #lastBytes = 0;
  /** From where to where the memory holds what is not received yet. Node reads into what is behind that. */
  #start = 0;
  #end = 0;
  #isScheduled = false;
  receiver: ByteReceiver | undefined = undefined;
  socket: Socket | undefined = undefined;

  constructor(joinedBytes: number) {
    this.#joinedBytes = joinedBytes;
  }

  /** Gives the receiver what waits to be joined with more. */
  readonly deliver = (): void => {
    const { receiver } = this;
    const start = this.#start;
    const end = this.#end;
    if (start === end || receiver === undefined) return;
    const memory = this.#memory;
    this.#start = end;
    this.#lastBytes = end - start;
    memory.open();
    try {
      receiver.receiveLent(memory, start, end);
    } finally {
      memory.close();
    }
  };

  /** Returns whether to go on reading. */
  #onRead(length: number): boolean {
    const { bytes } = this.#memory;
    if (this.receiver === undefined)
      return this.socket?.push(Buffer.from(bytes.subarray(0, length))) !== false;
    this.#end += length;
    if (length !== this.#joinedBytes || bytes.length - this.#end < length) this.deliver();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(this.#deliverLater);
    }
    return true;
  }

  readonly #deliverLater = (): void => {
    this.#isScheduled = false;
    this.deliver();
  };

  /** Asked for by Node after each read, and once before the first. */
  #memoryForNextRead(): Buffer {
    const { receiver } = this;
    if (this.#start < this.#end) return this.#memory.bytes.subarray(this.#end);
    this.#start = 0;
    this.#end = 0;
    if (receiver !== undefined) {
      const lastBytes = this.#lastBytes;
      this.#memory = nextMemory(this.#memory, lastBytes, receiver.expectedBytes(lastBytes));
    }
    return this.#memory.bytes;
  }
}

const readsOf = new WeakMap<Socket, SocketReads>();

/** As `connect` of `node:net`; whoever receives the bytes, by `receiveBytes`, can have them without an allocation. */
export function connectSocket(
  options: NetConnectOpts,
  makeSocket: (options: NetConnectOpts) => Socket = connect,
): Socket {
  const reads = new SocketReads(NEVER_JOINED);
  return keep(reads, makeSocket({ ...options, onread: reads.option }));
}

/**
 * As `connectSocket`, for TLS: `connectTls` makes the socket, with the option `onread` that it is given.
 *
 * TLS gives each of its records by itself, 16 KB at most: those that arrive together are received together, and can be written
 * on together.
 */
export function connectTlsSocket<T extends Socket>(connectTls: (onread: OnReadOpts) => T): T {
  const reads = new SocketReads(RECORD_BYTES);
  const socket = keep(reads, connectTls(reads.option));
  // Whoever receives the bytes has all of them when it hears of these, for it listens later.
  socket.on('end', reads.deliver);
  socket.on('close', reads.deliver);
  return socket;
}

/** A socket's handle is not part of Node's documented interface: see docs/adr/0005. */
interface HandleHolder {
  _handle: unknown;
}

/**
 * The connection of a socket that a server accepted, as a socket that `receiveBytes` can take bytes of without an allocation;
 * the other one closes. Where that cannot be done, and when something was read already, the very same socket.
 *
 * Shape: the server sets `allowHalfOpen` and `noDelay`, and so does this.
 */
export function adoptSocket(accepted: Socket): Socket {
  const adopted = moveHandle(accepted);
  if (adopted === undefined) return accepted;
  accepted.destroy();
  return adopted;
}

/**
 * As `adoptSocket`, for a socket that is in use: undefined where that cannot be done, or not just now, because something that was
 * written has not left yet. Not to be called while the socket's own `data` event is under way.
 *
 * Shape: the old socket stays, without the connection, and closes when the new one does: whoever waits for that still hears of it.
 */
export function adoptUsedSocket(used: Socket): Socket | undefined {
  if (used.writableLength > 0 || used.writableEnded) return undefined;
  const adopted = moveHandle(used);
  adopted?.once('close', () => used.destroy());
  return adopted;
}

function moveHandle(from: Socket): Socket | undefined {
  const holder = from as unknown as HandleHolder;
  const handle = holder._handle;
  if (from.constructor !== Socket || typeof handle !== 'object' || handle === null) return undefined;
  if (from.destroyed || from.readableEnded || from.readableLength > 0) return undefined;
  const reads = new SocketReads(NEVER_JOINED);
  const options = { handle, allowHalfOpen: true, noDelay: true, onread: reads.option };
  holder._handle = null;
  const to = new Socket(options);
  if ((to as unknown as HandleHolder)._handle !== handle) {
    holder._handle = handle;
    return undefined;
  }
  return keep(reads, to);
}

function keep<T extends Socket>(reads: SocketReads, socket: T): T {
  reads.socket = socket;
  readsOf.set(socket, reads);
  return socket;
}

/** Who takes the bytes of a socket that reads as any socket of Node does. */
const plainReceivers = new WeakMap<Socket, { receiver: ByteReceiver }>();

/** Hands every byte that arrives to `receiver`, from now on, and to nobody before it. The socket may be of any kind, TLS too. */
export function receiveBytes(socket: Socket, receiver: ByteReceiver): void {
  const holder = plainReceivers.get(socket);
  if (holder !== undefined) {
    holder.receiver = receiver;
    return;
  }
  const reads = readsOf.get(socket);
  if (reads !== undefined && socket.readableLength === 0) {
    reads.receiver = receiver;
    return;
  }
  const made = { receiver };
  plainReceivers.set(socket, made);
  socket.on('data', (bytes: Buffer) => made.receiver.receive(bytes));
}
