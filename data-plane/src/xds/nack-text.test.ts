import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nackText } from './nack-text.js';

describe('nackText', () => {
  it('names every problem, one a line', () => {
    assert.equal(
      nackText('cluster', [
        { resource: 'a', message: 'x: wrong' },
        { resource: '', message: 'a resource has no name' },
      ]),
      'cluster "a": x: wrong\na resource has no name',
    );
  });

  it('stays within its bound and counts what does not fit', () => {
    const problems = Array.from({ length: 50 }, (_, i) => ({ resource: `r${i}`, message: 'is wrong' }));
    const text = nackText('cluster', problems, 200);
    assert.ok(text.length <= 200);
    const lines = text.split('\n');
    assert.equal(lines.at(-1), `and ${50 - (lines.length - 1)} more problems`);
  });

  it('cuts a problem that is too long alone', () => {
    const text = nackText('cluster', [{ resource: 'a', message: 'x'.repeat(500) }], 200);
    assert.ok(text.length <= 200 && text.endsWith('…'));
  });
});
