import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect, isDeepStrictEqual } from 'node:util';
import { HiddenText } from './hidden-text.js';

describe('HiddenText', () => {
  it('gives its text to whoever asks for it, and shows it nowhere', () => {
    const hidden = new HiddenText('pa55word');
    assert.equal(hidden.reveal(), 'pa55word');
    for (const text of [
      String(hidden),
      JSON.stringify({ hidden }),
      inspect({ hidden }, { depth: 9, showHidden: true }),
    ]) {
      assert.equal(text.includes('pa55word'), false);
    }
  });

  it('is equal to another one of the same text, and to no other', () => {
    const same = [new HiddenText('a'), new HiddenText('a')] as const;
    const other = new HiddenText('b');
    assert.ok(isDeepStrictEqual(same[0], same[1]));
    assert.equal(JSON.stringify(same[0]), JSON.stringify(same[1]));
    assert.equal(isDeepStrictEqual(same[0], other), false);
    assert.notEqual(JSON.stringify(same[0]), JSON.stringify(other));
  });
});
