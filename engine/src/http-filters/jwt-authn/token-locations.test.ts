import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HeaderMap } from '../../http/header-map.js';
import type { RequestHead } from '../../http/message-head.js';
import { findTokens, mayHold, removeToken, tokenLocations } from './token-locations.js';

const NONE = { headers: [], parameters: [], cookies: [] };

describe('tokenLocations', () => {
  it('are those of RFC 6750 for a provider that names none', () => {
    assert.deepEqual(
      tokenLocations([{ issuer: 'a', sources: NONE }]).map(({ kind, name, prefix }) => [kind, name, prefix]),
      [
        ['header', 'authorization', 'Bearer '],
        ['parameter', 'access_token', ''],
      ],
    );
  });

  it('hold tokens of every issuer that names them, and of all when a provider has any issuer', () => {
    const sources = { ...NONE, parameters: ['p'] };
    const [shared] = tokenLocations([
      { issuer: 'a', sources },
      { issuer: 'b', sources },
    ]);
    assert.ok(shared !== undefined);
    assert.deepEqual(
      ['a', 'b', 'c'].map((issuer) => mayHold(shared, issuer)),
      [true, true, false],
    );
    const [open] = tokenLocations([
      { issuer: 'a', sources },
      { issuer: '', sources },
      { issuer: 'b', sources },
    ]);
    assert.ok(open !== undefined && mayHold(open, 'c'));
  });
});

describe('findTokens', () => {
  it('returns one shared empty list when there is none', () => {
    const locations = tokenLocations([{ issuer: '', sources: NONE }]);
    assert.equal(findTokens(locations, requestOf('/?a=b')), findTokens(locations, requestOf('/')));
  });

  it('finds every token of a query, however its name is escaped, and takes them all out again', () => {
    const [location] = tokenLocations([{ issuer: '', sources: { ...NONE, parameters: ['a_b'] } }]);
    assert.ok(location !== undefined);
    const head = requestOf('/p?x=1&a_b=one&a%5Fb=t%2Ewo&a_bc=no&a_b&z');
    assert.deepEqual(
      findTokens([location], head).map(({ token }) => token),
      ['one', 't.wo', ''],
    );
    removeToken(location, head);
    assert.equal(head.path, '/p?x=1&a_bc=no&z');
  });

  it('finds each cookie of the name in each field', () => {
    const locations = tokenLocations([{ issuer: '', sources: { ...NONE, cookies: ['c'] } }]);
    const head = requestOf('/', ['cookie', 'a=b; c=one;c="two"; cc=no'], ['cookie', ' c = three ']);
    assert.deepEqual(
      findTokens(locations, head).map(({ token }) => token),
      ['one', 'two', 'three'],
    );
  });

  it('finds nothing any more where a token was taken out, whatever the query is', () => {
    const [location] = tokenLocations([{ issuer: '', sources: { ...NONE, parameters: ['t'] } }]);
    assert.ok(location !== undefined);
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('t', '=', '&', '?', '%', '7', '4', 'x') }), (query) => {
        const head = requestOf(`/?${query}`);
        removeToken(location, head);
        assert.equal(findTokens([location], head).length, 0);
      }),
      { numRuns: 1000 },
    );
  });
});

function requestOf(path: string, ...fields: readonly (readonly [string, string])[]): RequestHead {
  const headers = new HeaderMap();
  for (const [name, value] of fields) headers.append(name, value);
  return { method: 'GET', scheme: 'http', authority: 'h', path, headers, version: 'HTTP/1.1', upgrade: '' };
}
