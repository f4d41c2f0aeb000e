import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { PrivateFileError } from './errors.js';

const OTHERS = 0o077;

/**
 * Makes a folder that only this user may enter, or checks that an existing one is so.
 *
 * Errors: PrivateFileError, also where others may read, write or enter it: the permissions are not quietly changed,
 * because whoever could read it may have.
 */
export function ensurePrivateFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stat = fs.statSync(folder);
    if (!stat.isDirectory()) throw new PrivateFileError(`${folder} is not a folder`);
    refuseOthers(folder, stat, '0700');
  } catch (error) {
    throw wrapped(`cannot use the folder ${folder}`, error);
  }
}

/**
 * Reads a file that only this user may read; undefined where there is none.
 *
 * Errors: PrivateFileError, also where others may read or write it, or it is longer than `maxBytes`.
 */
export function readPrivateFile(file: string, maxBytes = 1024 * 1024): Buffer | undefined {
  let descriptor: number;
  try {
    // Without O_NONBLOCK a named pipe in this place would hold up the process.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw wrapped(`cannot read ${file}`, error);
  }
  try {
    // The open file is asked, not the name, which could have been changed in between.
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile()) throw new PrivateFileError(`${file} is not a file`);
    refuseOthers(file, stat, '0600');
    if (stat.size > maxBytes) throw new PrivateFileError(`${file} is longer than ${maxBytes} bytes`);
    return fs.readFileSync(descriptor);
  } catch (error) {
    throw wrapped(`cannot read ${file}`, error);
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * Replaces a file at once, readable by this user only: a reader, also after a crash, sees the old content or the new.
 *
 * `existing: 'keep'` leaves a file that is already there, and the answer tells whether the content was written.
 * Errors: PrivateFileError.
 */
export function writePrivateFile(
  file: string,
  content: string,
  options: { readonly existing?: 'replace' | 'keep' } = {},
): boolean {
  const temporary = `${file}.${process.pid}.${randomBytes(6).toString('hex')}.new`;
  try {
    const descriptor = fs.openSync(temporary, 'wx', 0o600);
    try {
      fs.writeFileSync(descriptor, content);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    const written = options.existing === 'keep' ? linkUnlessThere(temporary, file) : true;
    if (options.existing !== 'keep') fs.renameSync(temporary, file);
    syncFolder(path.dirname(file));
    return written;
  } catch (error) {
    throw wrapped(`cannot write ${file}`, error);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

function linkUnlessThere(temporary: string, file: string): boolean {
  try {
    fs.linkSync(temporary, file);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function syncFolder(folder: string): void {
  const descriptor = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function refuseOthers(name: string, stat: fs.Stats, wanted: string): void {
  const user = process.getuid?.();
  // Windows has neither users of this kind nor these bits.
  if (user === undefined) return;
  if (stat.uid !== user) throw new PrivateFileError(`${name} belongs to user ${stat.uid}, not to ${user}`);
  if ((stat.mode & OTHERS) === 0) return;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
  throw new PrivateFileError(
    `${name} is open to other users (mode ${mode}): make it ${wanted}, and replace the secrets in it if anybody could have read them`,
  );
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function wrapped(message: string, error: unknown): PrivateFileError {
  return error instanceof PrivateFileError ? error : new PrivateFileError(message, { cause: error });
}
