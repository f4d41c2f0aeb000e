import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { layOut, type Arrow, type Box } from './layout.js';

const OPTIONS = { columnGap: 100, rowGap: 20, margin: 10 };

describe('the layout of the graph', () => {
  it('puts callers left of those whom they call, also over several steps', () => {
    const { places } = layOut(boxes('a', 'b', 'c'), arrows('a b', 'b c', 'a c'), OPTIONS);
    assert.deepEqual(
      ['a', 'b', 'c'].map((id) => places.get(id)?.layer),
      [0, 1, 2],
    );
  });

  it('places what calls nobody in rows below', () => {
    const { places, idleY } = layOut(boxes('a', 'b', 'lonely'), arrows('a b'), OPTIONS);
    assert.equal(places.get('lonely')?.y, idleY);
    assert.ok((idleY ?? 0) > (places.get('a')?.y ?? 0) + 50);
  });

  it('ends with services that call each other in a circle, or themselves', () => {
    const { places } = layOut(boxes('a', 'b'), arrows('a b', 'b a', 'a a'), OPTIONS);
    assert.notEqual(places.get('a')?.layer, places.get('b')?.layer);
  });

  it('stays still: order and repetition of what it is given change nothing, and no two boxes overlap', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const arrow = fc
      .tuple(fc.constantFrom(...names), fc.constantFrom(...names))
      .map((ends) => ends.join(' '));
    fc.assert(
      fc.property(fc.uniqueArray(arrow, { maxLength: 15 }), (drawn) => {
        const first = layOut(boxes(...names), arrows(...drawn), OPTIONS);
        const second = layOut(boxes(...names.toReversed()), arrows(...drawn), OPTIONS);
        assert.deepEqual([...first.places].sort(), [...second.places].sort());
        const all = [...first.places.values()];
        assert.equal(all.length, names.length);
        for (const [i, one] of all.entries()) {
          for (const other of all.slice(i + 1)) {
            assert.ok(Math.abs(one.x - other.x) >= 100 || Math.abs(one.y - other.y) >= 50);
          }
        }
      }),
    );
  });
});

function boxes(...ids: readonly string[]): readonly Box[] {
  return ids.map((id) => ({ id, width: 100, height: 50 }));
}

function arrows(...pairs: readonly string[]): readonly Arrow[] {
  return pairs.map((pair) => {
    const [source = '', target = ''] = pair.split(' ');
    return { source, target };
  });
}
