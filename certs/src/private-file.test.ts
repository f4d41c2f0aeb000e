import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { execFileSync } from 'node:child_process';
import { PrivateFileError } from './errors.js';
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from './private-file.js';

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'heddle-private-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));

describe('ensurePrivateFolder', () => {
  it('makes a folder of mode 0700, with those above it', () => {
    const folder = path.join(base, 'a/b');
    ensurePrivateFolder(folder);
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
    ensurePrivateFolder(folder);
  });

  for (const mode of [0o755, 0o750, 0o710, 0o701, 0o702]) {
    it(`refuses a folder of mode ${mode.toString(8)}, and does not change it`, () => {
      const folder = path.join(base, mode.toString(8));
      fs.mkdirSync(folder);
      fs.chmodSync(folder, mode);
      assert.throws(
        () => ensurePrivateFolder(folder),
        (error: unknown) =>
          error instanceof PrivateFileError &&
          error.message.includes(folder) &&
          /open to other users \(mode 0[0-7]{3}\): make it 0700/.test(error.message),
      );
      assert.equal(fs.statSync(folder).mode & 0o777, mode);
    });
  }

  it('refuses a file in its place', () => {
    const file = path.join(base, 'file');
    fs.writeFileSync(file, '');
    assert.throws(() => ensurePrivateFolder(file), PrivateFileError);
  });
});

describe('a private file', () => {
  it('is written with mode 0600 whatever the umask says, and read back', () => {
    const file = path.join(base, 'secret');
    const before = process.umask(0);
    try {
      assert.equal(writePrivateFile(file, 'one'), true);
    } finally {
      process.umask(before);
    }
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.equal(readPrivateFile(file)?.toString(), 'one');
  });

  it('is replaced as a whole, leaving nothing beside it', () => {
    const folder = fs.mkdtempSync(path.join(base, 'replace-'));
    const file = path.join(folder, 'secret');
    writePrivateFile(file, 'one');
    const inode = fs.statSync(file).ino;
    writePrivateFile(file, 'two');
    assert.notEqual(fs.statSync(file).ino, inode);
    assert.deepEqual(fs.readdirSync(folder), ['secret']);
  });

  it('is left alone where it must be kept', () => {
    const file = path.join(base, 'kept');
    assert.equal(writePrivateFile(file, 'one', { existing: 'keep' }), true);
    assert.equal(writePrivateFile(file, 'two', { existing: 'keep' }), false);
    assert.equal(readPrivateFile(file)?.toString(), 'one');
  });

  it('is undefined where there is none', () => {
    assert.equal(readPrivateFile(path.join(base, 'missing')), undefined);
  });

  it('is refused where others may read or write it', () => {
    for (const mode of [0o640, 0o604, 0o620, 0o666]) {
      const file = path.join(base, `open-${mode}`);
      fs.writeFileSync(file, 'secret');
      fs.chmodSync(file, mode);
      assert.throws(() => readPrivateFile(file), /open to other users .*make it 0600/);
    }
  });

  it('is refused where it is a folder, a named pipe, or too long', () => {
    const pipe = path.join(base, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    assert.throws(() => readPrivateFile(pipe), /is not a file/);
    assert.throws(() => readPrivateFile(base), /is not a file/);
    const file = path.join(base, 'long');
    writePrivateFile(file, 'x'.repeat(100));
    assert.throws(() => readPrivateFile(file, 99), /longer than 99 bytes/);
  });

  it('says which file could not be written', () => {
    const file = path.join(base, 'no/such/folder/secret');
    assert.throws(
      () => writePrivateFile(file, 'x'),
      (error: unknown) => error instanceof PrivateFileError && error.message.includes(file),
    );
  });
});
