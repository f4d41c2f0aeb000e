import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock, silentLogger } from '@heddle/common';
import { LineBytes } from '@heddle/engine';
import { StatsStore } from '../stats/stats-store.js';
import { AccessLogFiles, type AccessLogFilesOptions, type LogFileSystem } from './access-log-files.js';

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

  it('writes all that has gathered meanwhile at once, because a write ends once in a turn of the event loop', async () => {
    const sizes: number[] = [];
    let finish: (() => void) | undefined;
    const system: LogFileSystem = {
      open: (_path, callback) => callback(null, 7),
      write: (_descriptor, bytes, callback) => {
        sizes.push(bytes.length);
        finish = () => callback(null, bytes.length);
      },
      close: () => undefined,
    };
    const { files, stats } = setup({ flushBytes: 100, system });
    const line = lineOf(`${'x'.repeat(99)}\n`);
    const file = files.file(path);
    for (let i = 0; i < 1_000; i++) file.write(line);
    finish?.();
    assert.deepEqual([sizes[0], sizes.length], [100, 2]);
    // What is being gathered waits for its turn.
    assert.ok((sizes[1] ?? 0) > 90_000, String(sizes[1]));
    finish?.();
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      100_000,
    );
    finish?.();
    assert.equal(stats.counter('access_log_file.write_dropped').value, 0);
    await files.close();
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

function setup(options: Partial<AccessLogFilesOptions> = {}) {
  const clock = new FakeClock();
  const stats = new StatsStore();
  return { clock, stats, files: new AccessLogFiles({ clock, stats, log: silentLogger, ...options }) };
}

function lineOf(text: string): LineBytes {
  const line = new LineBytes();
  line.text(text);
  return line;
}
