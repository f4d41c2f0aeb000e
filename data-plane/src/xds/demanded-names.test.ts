import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { DemandedNames } from './demanded-names.js';

describe('names that requests ask for', () => {
  let clock: FakeClock;
  let changes: number;
  let answers: string[];
  let names: DemandedNames;

  beforeEach(() => {
    changes = 0;
    answers = [];
    clock = new FakeClock();
    names = new DemandedNames(clock, () => changes++);
  });

  const ask = (name: string, who = name) => names.ask(name, () => answers.push(who));

  it('are subscribed once however many ask, and stay so while what came by them is held', () => {
    ask('t/a', 'first');
    ask('t/a', 'second');
    assert.equal(changes, 1);
    assert.deepEqual(names.names(), ['t/a']);
    names.found('t/all', ['t/all', 't/a']);
    assert.deepEqual(answers, ['first', 'second']);
    assert.deepEqual(names.names(), ['t/a']);
    names.missing(['t/all']);
    assert.deepEqual(names.names(), []);
  });

  it('are kept of what comes when nobody waits any more', () => {
    ask('t/a')?.close();
    assert.deepEqual(names.names(), ['t/a']);
    names.found('t/all', ['t/all', 't/a']);
    assert.deepEqual([names.names(), answers], [['t/a'], []]);
  });

  it('are let go where nothing has them, and not asked for again at once', () => {
    ask('t/b');
    names.missing(['t/b']);
    assert.deepEqual([names.names(), answers], [[], ['t/b']]);
    assert.equal(ask('t/b'), undefined);
    clock.advance(1001);
    assert.ok(ask('t/b'));
  });

  it('are not asked for where they are longer than any name', () => {
    assert.equal(ask('x'.repeat(1001)), undefined);
    assert.deepEqual(names.names(), []);
  });

  it('are answered later where what came by them is held already', async () => {
    ask('t/a');
    names.found('t/a', ['t/a']);
    ask('t/a', 'again');
    ask('t/a', 'closed')?.close();
    assert.deepEqual(answers, ['t/a']);
    await Promise.resolve();
    assert.deepEqual(answers, ['t/a', 'again']);
    assert.equal(changes, 1);
  });

  it('are 1,000 at a time, of which one more may be asked only by another who waits', () => {
    for (let i = 0; i < 1000; i++) assert.ok(ask(`t/${i}`));
    assert.equal(ask('t/more'), undefined);
    ask('t/0')?.close();
    assert.equal(ask('t/more'), undefined);
    // By one resource one name is kept, however many it came by.
    names.found('t/all', names.names());
    assert.equal(names.names().length, 1);
    for (let i = 0; i < 1000; i++) ask(`u/${i}`)?.close();
    // Those that nobody waits for make room.
    assert.ok(ask('t/more'));
    assert.equal(names.names().length, 1001);
  });
});
