import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { normalizePath } from './path-normalization.js';

const ALL = {
  normalizePath: true,
  mergeSlashes: true,
  pathWithEscapedSlashesAction: 'unescape-and-forward',
} as const;

describe('normalizePath', () => {
  const cases: readonly (readonly [path: string, normal: string])[] = [
    ['/a/b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/./b/.', '/a/b/'],
    ['/../../etc', '/etc'],
    ['/a//b///c', '/a/b/c'],
    ['/%2e%2E/a', '/a'],
    ['/a%2fb', '/a/b'],
    ['/a%2f..%5cb', '/b'],
    ['/a\\..\\b', '/b'],
    ['/%41%7e%20', '/A~%20'],
    ['/a/..?x=/../y//', '/?x=/../y//'],
  ];
  for (const [path, normal] of cases) {
    it(`brings ${path} to ${normal}`, () => {
      const found = normalizePath(path, ALL);
      assert.equal(found.kind === 'changed' ? found.path : path, normal);
    });
  }

  it('refuses an escaped NUL, and escaped slashes where they are not allowed', () => {
    assert.equal(normalizePath('/a%00', ALL).kind, 'refused');
    assert.equal(normalizePath('/a%2Fb', { ...ALL, pathWithEscapedSlashesAction: 'reject' }).kind, 'refused');
    assert.deepEqual(
      normalizePath('/a%2Fb', { ...ALL, pathWithEscapedSlashesAction: 'unescape-and-redirect' }),
      { kind: 'redirect', path: '/a/b' },
    );
  });

  it('finds nothing left to do in what it made', () => {
    const path = fc
      .array(fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5c', '\\', 'a', '%41', '%25', '?'), {
        maxLength: 12,
      })
      .map((parts) => `/${parts.join('')}`);
    fc.assert(
      fc.property(path, (before) => {
        const once = normalizePath(before, { ...ALL, pathWithEscapedSlashesAction: 'keep-unchanged' });
        if (once.kind !== 'changed') return;
        assert.ok(!/\/\.\.?(\/|$)|\/\/|\\/.test(once.path.split('?')[0] as string), once.path);
      }),
    );
  });
});
