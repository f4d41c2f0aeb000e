import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { HeaderMap } from './header-map.js';

describe('values that a parser has checked', () => {
  it('are those before the first that was replaced, removed or added afterwards', () => {
    const headers = new HeaderMap();
    for (const name of ['a', 'b', 'c', 'd']) headers.append(name, 'checked');
    assert.equal(headers.checked, 0);
    headers.markChecked();
    headers.append('e', 'not checked');
    assert.equal(headers.checked, 4);
    headers.set('f', 'not checked');
    assert.equal(headers.checked, 4);
    headers.set('d', 'not checked');
    assert.equal(headers.checked, 3);
    headers.remove('b');
    assert.equal(headers.checked, 1);
    headers.set('a', 'not checked');
    assert.equal(headers.checked, 0);
  });
});
