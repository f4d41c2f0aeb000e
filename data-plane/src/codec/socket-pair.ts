import { Socket } from 'node:net';

/**
 * Two sockets of this process, each the other's peer: what is written to one is read from the other, in another turn.
 *
 * Bounds: what the streams' own high watermarks allow; whoever writes waits until the other reads.
 */
export function createSocketPair(): [Socket, Socket] {
  const one = new PairedSocket();
  const other = new PairedSocket();
  one.peer = other;
  other.peer = one;
  return [one, other];
}

class PairedSocket extends Socket {
  peer: PairedSocket | undefined = undefined;
  /** Of the write that the peer has not made room for. */
  #onRoom: (() => void) | undefined = undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {
    this.peer?.goOn();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    // Its memory is its writer's again once it is written, and the reader may keep what it reads.
    this.#hand(Buffer.from(chunk), callback);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], callback: (error?: Error) => void): void {
    this.#hand(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: (error?: Error) => void): void {
    process.nextTick(() => {
      const { peer } = this;
      if (peer !== undefined && !peer.destroyed) peer.push(null);
      callback();
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { peer } = this;
    const isWhole = this.writableFinished;
    this.#onRoom = undefined;
    super._destroy(error, callback);
    if (peer === undefined) return;
    this.peer = undefined;
    process.nextTick(() => peer.#onPeerGone(isWhole));
  }

  /** The peer reads on. */
  goOn(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    if (onRoom !== undefined) process.nextTick(onRoom);
  }

  #hand(bytes: Buffer, callback: (error?: Error) => void): void {
    process.nextTick(() => {
      const { peer } = this;
      if (peer === undefined || peer.destroyed) callback(broken());
      else if (peer.push(bytes)) callback();
      else this.#onRoom = callback;
    });
  }

  /** It may have sent everything before, and then what it sent is still read. */
  #onPeerGone(wasWhole: boolean): void {
    this.peer = undefined;
    if (this.destroyed) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    if (!wasWhole) this.destroy(broken());
    else onRoom?.();
  }
}

function broken(): Error {
  return Object.assign(new Error('the other end of a connection inside this process is gone'), {
    code: 'ECONNRESET',
  });
}
