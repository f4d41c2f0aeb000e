import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LinearRegex } from '../route/linear-regex.js';
import { Glob } from './glob.js';

describe('a glob', () => {
  it('matches what the regular expression matches that it was read from', () => {
    const piece = fc.oneof(
      fc.stringMatching(/^[ab/]{0,3}$/),
      fc.constantFrom('.*', '.+', '\\.', '.*.*', '.+.*'),
    );
    const start = fc.constantFrom('', '', '[^/]+', 'a[^/]+', '/[^/]+/', 'a/[^/]+/b');
    const source = fc
      .tuple(start, fc.array(piece, { maxLength: 6 }))
      .map(([first, pieces]) => first + pieces.join(''))
      // Gaps that follow each other are more than a glob.
      .filter((text) => !/\]\+\./.test(text));
    fc.assert(
      fc.property(source, fc.stringMatching(/^[ab/.]{0,12}$/), (regex, text) => {
        const glob = Glob.parse(regex);
        assert.ok(glob !== undefined, regex);
        assert.equal(glob.matches(text), new LinearRegex(regex).matchesFully(text), `${regex} on ${text}`);
      }),
      { numRuns: 3000 },
    );
  });

  it('is read from nothing that means more than text and gaps', () => {
    for (const regex of [
      'a|b',
      '(a)',
      '[ab]',
      '.*[^/]+',
      '[^/]+.*',
      '[^/]*',
      '[^/]+[^/]+',
      'a*',
      'a+',
      'a?',
      '.',
      'a.b',
      '.*?',
      '^a',
      'a$',
      '\\d',
      'a{2}',
      '\\',
      '.{2}',
    ]) {
      assert.equal(Glob.parse(regex), undefined, regex);
    }
  });

  it('is read from what Istio writes for namespaces and any value', () => {
    for (const regex of [
      '.+',
      '.*/ns/foo/.*',
      'spiffe://.*/sa/bar',
      'spiffe://[^/]+/ns/foo/.+',
      'spiffe://[^/]+/ns/foo/sa/b\\.c',
    ])
      assert.ok(Glob.parse(regex), regex);
  });
});
