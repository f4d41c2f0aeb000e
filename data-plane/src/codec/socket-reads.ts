import { connect, Socket, type NetConnectOpts, type OnReadOpts } from 'node:net';
import { nextMemory, sharedMemory, type LentMemory } from './lent-memory.js';

/** What takes the bytes of a connection. */
export interface ByteReceiver {
  /** Takes bytes that are the receiver's own. */
  receive(bytes: Buffer): void;
  /** Takes the first `length` bytes of memory that is written to again after this call: what is kept are parts of it. */
  receiveLent(memory: LentMemory, length: number): void;
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
  #memory = sharedMemory();
  #lastBytes = 0;
  receiver: ByteReceiver | undefined = undefined;
  socket: Socket | undefined = undefined;

  /** Returns whether to go on reading. */
  #onRead(length: number): boolean {
    const memory = this.#memory;
    const { receiver } = this;
    this.#lastBytes = length;
    if (receiver === undefined)
      return this.socket?.push(Buffer.from(memory.bytes.subarray(0, length))) !== false;
    memory.open();
    try {
      receiver.receiveLent(memory, length);
    } finally {
      memory.close();
    }
    return true;
  }

  /** Asked for by Node after each read, and once before the first. */
  #memoryForNextRead(): Buffer {
    const { receiver } = this;
    if (receiver !== undefined) {
      const lastBytes = this.#lastBytes;
      this.#memory = nextMemory(this.#memory, lastBytes, receiver.expectedBytes(lastBytes));
    }
    return this.#memory.bytes;
  }
}

const readsOf = new WeakMap<Socket, SocketReads>();

/** As `connect` of `node:net`; whoever receives the bytes, by `receiveBytes`, can have them without an allocation. */
export function connectSocket(options: NetConnectOpts): Socket {
  const reads = new SocketReads();
  return keep(reads, connect({ ...options, onread: reads.option }));
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
  const holder = accepted as unknown as HandleHolder;
  const handle = holder._handle;
  if (accepted.constructor !== Socket || typeof handle !== 'object' || handle === null) return accepted;
  if (accepted.destroyed || accepted.readableEnded || accepted.readableLength > 0) return accepted;
  const reads = new SocketReads();
  const options = { handle, allowHalfOpen: true, noDelay: true, onread: reads.option };
  holder._handle = null;
  const adopted = new Socket(options);
  if ((adopted as unknown as HandleHolder)._handle !== handle) {
    holder._handle = handle;
    return accepted;
  }
  accepted.destroy();
  return keep(reads, adopted);
}

function keep(reads: SocketReads, socket: Socket): Socket {
  reads.socket = socket;
  readsOf.set(socket, reads);
  return socket;
}

/** Hands every byte that arrives to `receiver`, from now on. The socket may be of any kind, TLS too. */
export function receiveBytes(socket: Socket, receiver: ByteReceiver): void {
  const reads = readsOf.get(socket);
  if (reads === undefined || socket.readableLength > 0) {
    socket.on('data', (bytes: Buffer) => receiver.receive(bytes));
  } else {
    reads.receiver = receiver;
  }
}
