import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ResponseScanner } from './response-scanner.js';

const OK = 'HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 5\r\n\r\nhello';

describe('ResponseScanner', () => {
  it('counts a right answer once, however its bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        const seen = scan(5, pieces(OK.repeat(3), sizes));
        assert.deepEqual(seen, [undefined, undefined, undefined]);
      }),
    );
  });

  it('does not keep bytes of a buffer that is used again', () => {
    const seen: (string | undefined)[] = [];
    const scanner = new ResponseScanner(5, (problem) => seen.push(problem));
    const shared = Buffer.alloc(10);
    for (const piece of pieces(OK, [10])) {
      piece.copy(shared);
      scanner.push(shared.subarray(0, piece.length));
    }
    assert.deepEqual(seen, [undefined]);
  });

  it('reports another status', () => {
    assert.deepEqual(scan(0, ['HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad']), [
      'status 503',
    ]);
  });

  it('reports a body of another length, and goes on behind it', () => {
    assert.deepEqual(scan(5, ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi' + OK]), [
      '2 body bytes instead of 5',
      undefined,
    ]);
  });

  it('reports an answer without content-length', () => {
    assert.deepEqual(scan(5, ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n']), [
      'no content-length',
    ]);
  });

  it('reports a connection that will close', () => {
    assert.deepEqual(scan(0, ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n']), [
      'the connection is not kept alive',
    ]);
  });

  it('reports a head that never ends', () => {
    assert.deepEqual(scan(0, ['x'.repeat(70_000)]), ['response head too large']);
  });
});

function scan(bodyBytes: number, chunks: readonly (string | Buffer)[]): (string | undefined)[] {
  const seen: (string | undefined)[] = [];
  const scanner = new ResponseScanner(bodyBytes, (problem) => seen.push(problem));
  for (const chunk of chunks) scanner.push(Buffer.from(chunk));
  return seen;
}

function pieces(text: string, sizes: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const cut: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    cut.push(bytes.subarray(at, at + size));
    at += size;
  }
  return cut;
}
