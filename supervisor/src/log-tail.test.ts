import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { logTail } from './log-tail.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-log-tail-'));
after(() => rmSync(folder, { recursive: true }));

describe('logTail', () => {
  it('gives the last lines of this run, without blank ones and escape sequences', () => {
    const file = join(folder, 'a.log');
    writeFileSync(file, 'old\none\n\n\x1b[31mtwo\x1b[0m\nthree\n');
    assert.deepEqual(logTail(file, 4, 2), ['two', 'three']);
    assert.deepEqual(logTail(file, 4, 9), ['one', 'two', 'three']);
  });

  it('gives the line that names the error of a stack trace', () => {
    const file = join(folder, 'trace.log');
    writeFileSync(file, "node:internal\n\nError: Cannot find module 'x'\n    at y\n}\nNode.js v20\n");
    assert.deepEqual(logTail(file, 0, 3), ["Error: Cannot find module 'x'"]);
    writeFileSync(file, 'Traceback:\n  File "a.py"\nKeyError: PORT\n');
    assert.deepEqual(logTail(file, 0, 3), ['KeyError: PORT']);
  });

  it('is empty when nothing was written or there is no file', () => {
    const file = join(folder, 'b.log');
    writeFileSync(file, 'old\n');
    assert.deepEqual(logTail(file, 4, 3), []);
    assert.deepEqual(logTail(join(folder, 'none.log'), 0, 3), []);
  });

  it('reads a bounded part of a long log', () => {
    const file = join(folder, 'c.log');
    writeFileSync(file, `${'x'.repeat(100_000)}\nend\n`);
    const lines = logTail(file, 0, 3);
    assert.equal(lines.at(-1), 'end');
    assert.ok(lines.every((line) => line.length <= 201));
  });
});
