import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallbacksByName } from './callbacks-by-name.js';

describe('callbacks by name', () => {
  it('are called once, those alone that wait for that name and have not left', () => {
    const waiting = new CallbacksByName();
    const told: string[] = [];
    waiting.add('a', () => told.push('one'));
    const left = waiting.add('a', () => told.push('two'));
    waiting.add('b', () => told.push('three'));
    left.close();
    waiting.tell('a');
    waiting.tell('a');
    assert.deepEqual(told, ['one']);
  });

  it('keep no name that nobody waits for any more', () => {
    const waiting = new CallbacksByName();
    const one = waiting.add('a', () => undefined);
    const two = waiting.add('a', () => undefined);
    one.close();
    assert.equal(waiting.size, 1);
    two.close();
    assert.equal(waiting.size, 0);
    const old = waiting.add('a', () => undefined);
    waiting.tell('a');
    waiting.add('a', () => undefined);
    old.close();
    assert.equal(waiting.size, 1);
  });

  it('may leave while others are called', () => {
    const waiting = new CallbacksByName();
    let told = 0;
    waiting.add('a', () => other.close());
    const other = waiting.add('a', () => told++);
    waiting.tell('a');
    assert.equal(told, 0);
  });
});
