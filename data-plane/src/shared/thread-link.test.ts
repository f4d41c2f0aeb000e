import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { ThreadLink, type ThreadPort } from './thread-link.js';

interface Questions {
  readonly double: { readonly body: number; readonly answer: number };
  readonly fail: { readonly body: string; readonly answer: undefined };
  readonly note: { readonly body: string; readonly answer: void };
}
type Nothing = Record<never, never>;

describe('ThreadLink', () => {
  const { port1, port2 } = new MessageChannel();
  after(() => port1.close());
  const noted: string[] = [];
  const link = new ThreadLink<Questions, Nothing>(port1 as ThreadPort, {});
  new ThreadLink<Nothing, Questions>(port2 as ThreadPort, {
    double: (number) => Promise.resolve(2 * number),
    fail: (why) => {
      throw new Error(why);
    },
    note: (text) => void noted.push(text),
  });

  it('answers what is asked, after what was told before', async () => {
    link.tell('note', 'first');
    const answers = [link.ask('double', 2), link.ask('double', 3)];
    assert.deepEqual(await Promise.all(answers), [4, 6]);
    assert.deepEqual(noted, ['first']);
  });

  it('rejects with what the other side could not do', async () => {
    await assert.rejects(link.ask('fail', 'there is no such thing'), /there is no such thing/);
  });
});
