import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jsonText } from './json-text.js';
import { LineBytes } from './line-bytes.js';

describe('LineBytes', () => {
  it('puts together what it is given, in order, however long it is', () => {
    const part = fc.oneof(
      fc.record({ kind: fc.constant('json' as const), value: fc.string({ unit: 'binary' }) }),
      fc.record({ kind: fc.constant('text' as const), value: fc.string({ maxLength: 5000 }) }),
      fc.record({ kind: fc.constant('literal' as const), value: fc.string() }),
      fc.record({
        kind: fc.constant('number' as const),
        value: fc.oneof(fc.double(), fc.integer(), fc.nat(2e9)),
      }),
    );
    const line = new LineBytes();
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        line.clear();
        let expected = '';
        for (const each of parts) {
          switch (each.kind) {
            case 'json':
              line.json(each.value);
              expected += jsonText(each.value);
              break;
            case 'number':
              line.number(each.value);
              expected += String(each.value);
              break;
            case 'text':
              line.text(each.value);
              expected += each.value;
              break;
            case 'literal':
              line.literal(Buffer.from(each.value));
              expected += each.value;
          }
        }
        assert.equal(line.toString(), Buffer.from(expected).toString());
      }),
    );
  });

  it('writes whole numbers of every length', () => {
    const line = new LineBytes();
    for (const value of [0, 9, 10, 99, 100, 999_999_999, 1e9, 1e21, 0.5, -1, NaN, Infinity]) {
      line.clear();
      line.number(value);
      assert.equal(line.toString(), String(value));
    }
  });

  it('lets go of the memory that a long line needed', () => {
    const line = new LineBytes();
    const usual = line.bytes.length;
    line.text('x'.repeat(1_000_000));
    line.clear();
    assert.equal(line.bytes.length, usual);
  });
});
