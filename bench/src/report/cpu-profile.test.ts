import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { hottestFunctions } from './cpu-profile.js';

describe('hottestFunctions', () => {
  it('adds a function up over its call sites and leaves idle time out', () => {
    const profile = {
      nodes: [
        node(1, '(idle)', '', -1),
        node(2, 'parse', 'file:///somewhere/codec.js', 9),
        node(3, '(garbage collector)', '', -1),
        node(4, 'parse', 'file:///somewhere/codec.js', 9),
      ],
      samples: [1, 2, 3, 4, 1],
      timeDeltas: [1_000, 30, 50, 20, 1_000],
    };
    assert.deepEqual(hottestFunctions(profile, 10), [
      { name: 'parse codec.js:10', selfRatio: 0.5 },
      { name: '(garbage collector)', selfRatio: 0.5 },
    ]);
    assert.equal(hottestFunctions(profile, 1).length, 1);
  });

  it('says nothing of a process that only idled', () => {
    assert.deepEqual(
      hottestFunctions({ nodes: [node(1, '(idle)', '', -1)], samples: [1], timeDeltas: [5] }, 10),
      [],
    );
  });
});

function node(id: number, functionName: string, url: string, lineNumber: number) {
  return { id, callFrame: { functionName, url, lineNumber } };
}
