import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { LogWriter } from './log-writer.js';

describe('LogWriter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-log-writer-'));
  const path = join(folder, 'access.log');
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('writes what several gathered whole and in order, and into a new file once the old one is let go of', async () => {
    const writer = new LogWriter();
    const chunk = (letter: string): Buffer => Buffer.from(`${letter.repeat(100_000)}\n`);
    await writer.open(path);
    await Promise.all([writer.write(path, chunk('a')), writer.write(path, chunk('b'))]);
    renameSync(path, `${path}.1`);
    writer.release(path);
    await writer.write(path, chunk('c'));
    await writer.close();
    assert.equal(readFileSync(`${path}.1`, 'utf8'), `${chunk('a').toString()}${chunk('b').toString()}`);
    assert.equal(readFileSync(path, 'utf8'), chunk('c').toString());
  });

  it('tells who could not be written for, and goes on', async () => {
    const writer = new LogWriter();
    const nowhere = join(folder, 'no', 'such', 'folder');
    await assert.rejects(writer.open(nowhere), /ENOENT/);
    await assert.rejects(writer.write(nowhere, Buffer.from('x')), /ENOENT/);
    await writer.close();
  });
});
