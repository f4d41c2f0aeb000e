import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import { LineBytes } from '@heddle/engine';
import { StatsStore } from '../stats/stats-store.js';
import { AccessLogFiles } from './access-log-files.js';

describe('AccessLogFiles', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-access-log-'));
    path = join(folder, 'access.log');
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('shares one writer for each path', async () => {
    const { files } = setup();
    assert.equal(files.file(path), files.file(path));
    await files.close();
  });

  it('writes after the flush interval, in order', async () => {
    const { files, clock } = setup();
    files.file(path).write(lineOf('one\n'));
    files.file(path).write(lineOf('two\n'));
    assert.equal(clock.pendingTimers, 1);
    clock.advance(1000);
    await files.flush();
    assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
    await files.close();
    assert.equal(clock.pendingTimers, 0);
  });

  it('keeps every line whole, however long, and whatever is written into the same memory afterwards', async () => {
    const { files } = setup();
    const file = files.file(path);
    const line = new LineBytes();
    let expected = '';
    for (let i = 0; i < 400; i++) {
      const text = `${i} ${'ä€😀'.repeat(i % 50 === 49 ? 20_000 : i)}\n`;
      line.clear();
      line.text(text);
      file.write(line);
      expected += text;
    }
    await files.close();
    assert.equal(readFileSync(path, 'utf8'), expected);
  });

  it('drops and counts what comes above its limit', async () => {
    const { files, stats } = setup({ maxBufferedBytes: 10 });
    const file = files.file(path);
    for (let i = 0; i < 100; i++) file.write(lineOf('0123456789\n'));
    const dropped = stats.counter('access_log_file.write_dropped').value;
    assert.ok(dropped >= 98);
    await files.close();
    assert.equal(readFileSync(path, 'utf8').split('\n').length - 1, 100 - dropped);
  });

  it('goes on in a new file after the old one was renamed', async () => {
    const { files } = setup();
    const file = files.file(path);
    file.write(lineOf('old\n'));
    await files.flush();
    renameSync(path, `${path}.1`);
    files.reopen();
    await files.flush();
    file.write(lineOf('new\n'));
    await files.close();
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'old\n');
    assert.equal(readFileSync(path, 'utf8'), 'new\n');
  });

  it('survives a path that cannot be opened', async () => {
    const { files, stats } = setup();
    files.file(join(folder, 'no', 'such', 'folder')).write(lineOf('lost\n'));
    await files.close();
    assert.equal(stats.counter('access_log_file.write_failed').value, 1);
  });
});

function setup(options: { readonly maxBufferedBytes?: number } = {}) {
  const clock = new FakeClock();
  const stats = new StatsStore();
  return { clock, stats, files: new AccessLogFiles({ clock, stats, log: silentLogger, ...options }) };
}

function lineOf(text: string): LineBytes {
  const line = new LineBytes();
  line.text(text);
  return line;
}
