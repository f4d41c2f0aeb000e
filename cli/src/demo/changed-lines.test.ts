import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changedLines } from './changed-lines.js';

describe('changedLines', () => {
  it('is the whole text of a new file', () => {
    assert.deepEqual(changedLines(undefined, 'a\nb\n'), ['a', 'b']);
  });

  it('leaves a comment at the top out, and what lies between two changes', () => {
    const before = '# old\na\nb\nc\nd\ne\nf\ng\nh\n';
    const after = '# new\nX\nb\nc\nd\ne\nf\ng\nY\n';
    assert.deepEqual(changedLines(before, after), ['X', 'b', 'c', '…', 'f', 'g', 'Y']);
  });

  it('is what changed with two lines around it', () => {
    const before = 'a\nb\nc\nd\ne\nf\ng\n';
    assert.deepEqual(changedLines(before, 'a\nb\nc\nX\ne\nf\ng\n'), ['…', 'b', 'c', 'X', 'e', 'f', '…']);
    assert.deepEqual(changedLines(before, 'a\nb\nc\nd\ne\nf\ng\nh\n'), ['…', 'f', 'g', 'h']);
    assert.deepEqual(changedLines(before, 'X\na\nb\nc\nd\ne\nf\ng\n'), ['X', 'a', 'b', '…']);
  });
});
