import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { text } from 'node:stream/consumers';
import { reusedMemory } from './lent-memory.js';
import { createSocketPair } from './socket-pair.js';

const PIECE = 4096;

describe('two sockets of this process', () => {
  it('read what is written to the other, both ways, and end one way at a time', async () => {
    const [near, far] = pair();
    const seen: string[] = [];
    far.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    near.end('to the far end');
    await once(far, 'end');
    far.end('and back');
    assert.equal(await text(near), 'and back');
    if (!far.closed) await once(far, 'close');
    assert.deepEqual(seen, ['to the far end']);
  });

  it('keep what was written from memory that its writer uses again, alone and many at once', async () => {
    const [near, far] = pair();
    const bytes = reusedMemory(3 * PIECE);
    bytes.fill('as it was');
    const before = bytes.toString();
    for (let i = 0; i < 3; i++) near.write(bytes.subarray(i * PIECE, (i + 1) * PIECE));
    near.end(() => bytes.fill(0));
    // Read only after all of it was written.
    await once(near, 'finish');
    assert.equal(await text(far), before);
    far.destroy();
  });

  it('copy nothing that is not used again', async () => {
    const [near, far] = pair();
    const chunks: Buffer[] = [];
    far.on('data', (chunk: Buffer) => chunks.push(chunk));
    const pieces = [1, 2, 3].map((byte) => Buffer.alloc(PIECE, byte));
    for (const piece of pieces) near.write(piece);
    near.end();
    await once(far, 'end');
    assert.deepEqual(
      chunks.map(({ buffer }) => buffer),
      pieces.map(({ buffer }) => buffer),
    );
    far.destroy();
  });

  it('take texts in their encoding, alone and many at once', async () => {
    const [near, far] = pair();
    const chunks: Buffer[] = [];
    far.on('data', (chunk: Buffer) => chunks.push(chunk));
    near.write('\xe9', 'latin1');
    near.write('\xe9', 'latin1');
    near.write(Buffer.from([1]));
    near.end('\xe9', 'utf8');
    await once(far, 'end');
    assert.deepEqual([...Buffer.concat(chunks)], [0xe9, 0xe9, 1, 0xc3, 0xa9]);
    far.destroy();
  });

  it('deliver in another turn than the one that writes', () => {
    const [near, far] = pair();
    let seen = false;
    far.on('data', () => (seen = true));
    near.write('x');
    assert.equal(seen, false);
    near.destroy();
    far.destroy();
  });

  it('have the writer wait for a reader that reads nothing', async () => {
    const [near, far] = pair();
    const piece = Buffer.alloc(64 * 1024, 1);
    let pieces = 0;
    while (near.write(piece) && pieces < 1000) pieces++;
    assert.ok(pieces < 1000);
    let bytes = 0;
    far.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await once(near, 'drain');
    near.end();
    await once(far, 'end');
    assert.equal(bytes, (pieces + 1) * piece.length);
    far.destroy();
  });

  it('tell of an end that is gone before it has said all', async () => {
    const [near, far] = pair();
    far.on('data', () => undefined);
    const failed = once(far, 'error');
    near.destroy();
    assert.match(String((await failed)[0]), /is gone/);
    assert.equal(far.destroyed, true);
  });

  it('refuse what is written to one that is gone', async () => {
    const [near, far] = pair();
    far.end();
    far.destroy();
    near.on('data', () => undefined);
    const failed = once(near, 'error');
    near.write('x');
    await failed;
    assert.equal(near.destroyed, true);
  });
});

/** Who loses the other end is told so, whether a test looks at it or not. */
function pair(): ReturnType<typeof createSocketPair> {
  const sockets = createSocketPair();
  for (const socket of sockets) socket.on('error', () => undefined);
  return sockets;
}
