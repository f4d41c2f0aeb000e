import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockStateFolder } from './state-folder-lock.js';

const root = mkdtempSync(join(tmpdir(), 'heddle-lock-'));
after(() => rmSync(root, { recursive: true }));

describe('lockStateFolder', () => {
  it('makes the folder, and refuses a second user until the first released it', () => {
    const folder = join(root, 'deep', 'state');
    const lock = lockStateFolder(folder);
    assert.throws(() => lockStateFolder(folder), /another heddle \(process \d+\).*--state-dir/);
    lock.release();
    lockStateFolder(folder).release();
    assert.equal(existsSync(join(folder, 'heddle.pid')), false);
  });

  it('takes over from a process that is gone, and from a file that makes no sense', () => {
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    for (const text of [`${gone}\n`, 'nonsense']) {
      writeFileSync(join(root, 'heddle.pid'), text);
      lockStateFolder(root).release();
    }
  });

  it('says which folder cannot be used, and what to do', () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    assert.throws(
      () => lockStateFolder(join(file, 'state')),
      /state folder .*a-file.* cannot be used.*--state-dir/,
    );
  });
});
