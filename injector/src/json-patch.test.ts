import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { applyJsonPatch, diffJson } from './json-patch.js';
import { isShallow, jsonEquals } from './json-value.js';

const json = fc.jsonValue({ maxDepth: 4 });

describe('diffJson', () => {
  it('makes a patch that turns any value into any other', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        assert.ok(jsonEquals(applyJsonPatch(before, diffJson(before, after)), after));
      }),
    );
  });

  it('makes a patch for lists that are alike, as they come of editing', () => {
    const list = fc.array(
      fc.record({ name: fc.constantFrom('a', 'b', 'c'), value: fc.nat(2) }, { noNullPrototype: true }),
      {
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(list, list, (before, after) => {
        assert.deepEqual(applyJsonPatch(before, diffJson(before, after)), after);
      }),
    );
  });

  it('is empty for equal values, whatever the order of their fields', () => {
    fc.assert(fc.property(json, (value) => assert.deepEqual(diffJson(value, structuredClone(value)), [])));
    assert.deepEqual(diffJson({ a: 1, b: 2 }, { b: 2, a: 1, c: undefined }), []);
  });

  it('adds an item to a list without writing its neighbours again', () => {
    const before = { list: [{ name: 'a', x: 1 }, { name: 'c' }] };
    const after = { list: [{ name: 'new' }, { name: 'a', x: 2 }, { name: 'c' }] };
    assert.deepEqual(diffJson(before, after), [
      { op: 'add', path: '/list/0', value: { name: 'new' } },
      { op: 'replace', path: '/list/1/x', value: 2 },
    ]);
  });

  it('escapes what has a meaning in paths, and takes __proto__ as any name', () => {
    const before = JSON.parse('{"a/b":{"~":1},"__proto__":{"x":1}}') as unknown;
    const after = JSON.parse('{"a/b":{"~":2},"__proto__":{"x":2}}') as unknown;
    const patch = diffJson(before, after);
    assert.deepEqual(
      patch.map(({ path }) => path),
      ['/a~1b/~0', '/__proto__/x'],
    );
    assert.ok(jsonEquals(applyJsonPatch(before, patch), after));
    assert.equal(({} as { x?: number }).x, undefined);
  });
});

describe('applyJsonPatch', () => {
  it('refuses paths that lead nowhere', () => {
    for (const path of ['/b/c', '/a/2', '/a/-1', '/a/x', '/missing']) {
      assert.throws(() => applyJsonPatch({ a: [1] }, [{ op: 'replace', path, value: 0 }]), RangeError, path);
    }
  });
});

describe('isShallow', () => {
  it('says no to a value that is nested too deeply, without recursion', () => {
    const text = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    assert.equal(isShallow(JSON.parse(text)), false);
    assert.equal(isShallow({ a: [{ b: null }] }), true);
  });
});
