import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { LentMemory, nextMemory } from '../lent-memory.js';
import { HeldWriter } from './held-writer.js';
import { writeBatch } from './write-batch.js';

const KB = 1024;
const LARGE = 256 * KB;

describe('HeldWriter with lent memory', () => {
  it('gives it back when the socket has written it, and not before', async () => {
    const { socket, writer, spare } = create();
    const memory = lend(spare, 'a');
    writer.data('', memory.part(0, LARGE), '');
    const next = read(memory, spare, 'b');
    assert.notEqual(next, memory, 'what is still to be written would be overwritten');
    assert.deepEqual(spare, []);
    socket.writeNext();
    await settled();
    assert.equal(socket.text, 'a'.repeat(LARGE));
    assert.deepEqual(spare, [memory]);
  });

  it('waits for the last of several chunks, in whatever frames they are', async () => {
    const { socket, writer, spare } = create();
    const [first, second] = [lend(spare, 'a'), lend(spare, 'b')];
    writer.data('1;', first.part(0, LARGE), ';');
    writer.data('2;', second.part(0, LARGE), ';');
    first.release();
    second.release();
    // The first chunk in its frame, and the frame of the second.
    for (let writes = 0; writes < 4; writes++) {
      socket.writeNext();
      await settled();
      assert.equal(spare.includes(second), false);
    }
    // Whoever reads next into what is spare must not reach what waits.
    for (const free of spare.splice(0)) free.bytes.fill('?');
    while (socket.waits) {
      socket.writeNext();
      await settled();
    }
    assert.ok(socket.text === `1;${'a'.repeat(LARGE)};2;${'b'.repeat(LARGE)};`);
    assert.deepEqual(
      [first, second].map((memory) => spare.includes(memory)),
      [true, true],
    );
  });

  it('gives nothing back of which nobody knows whether it is still read', async () => {
    const { socket, writer, spare } = create();
    const memory = lend(spare, 'a');
    writer.data('', memory.part(0, LARGE), '');
    memory.release();
    socket.on('error', () => undefined);
    socket.failNext(new Error('reset'));
    await settled();
    assert.deepEqual(spare, []);
    assert.equal(memory.isFree, false);
  });

  it('gives back at once what the socket took at once', () => {
    const { socket, writer, spare } = create();
    socket.takesAtOnce = true;
    const memory = lend(spare, 'a');
    memory.open();
    writer.data('', memory.part(0, LARGE), '');
    memory.close();
    assert.equal(memory.isFree, true);
    assert.equal(nextMemory(memory, LARGE, LARGE), memory);
  });
});

/** The memory that a socket has read so much of this letter into. */
function lend(spare: LentMemory[], letter: string): LentMemory {
  const memory = new LentMemory(LARGE, spare);
  memory.bytes.fill(letter);
  return memory;
}

/** The next read, as socket-reads.ts does it: into the same memory where that is free, else into other memory. */
function read(memory: LentMemory, spare: LentMemory[], letter: string): LentMemory {
  let next = memory;
  if (!memory.isFree) {
    memory.release();
    next = spare.pop() ?? new LentMemory(LARGE, spare);
  }
  next.bytes.fill(letter);
  return next;
}

function create() {
  const socket = new SlowSocket();
  const ignore = (): void => undefined;
  const writer = new HeldWriter(socket as unknown as Socket, writeBatch, 0, {
    onAboveWriteBufferHighWatermark: ignore,
    onBelowWriteBufferLowWatermark: ignore,
  });
  return { socket, writer, spare: [] as LentMemory[] };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Reads what it was given only when it is written, as a TLS socket that waits for its turn may. */
class SlowSocket extends Writable {
  readonly #written: Buffer[] = [];
  #next: { readonly chunk: Buffer; readonly done: (error?: Error) => void } | undefined;
  takesAtOnce = false;

  get text(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }

  get waits(): boolean {
    return this.#next !== undefined;
  }

  writeNext(): void {
    const next = this.#next;
    this.#next = undefined;
    assert.ok(next !== undefined, 'nothing waits');
    this.#written.push(Buffer.from(next.chunk));
    next.done();
  }

  failNext(error: Error): void {
    const next = this.#next;
    this.#next = undefined;
    next?.done(error);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#next = { chunk, done };
    if (this.takesAtOnce) this.writeNext();
  }
}
