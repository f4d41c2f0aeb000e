import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 8_192;
const MAX_LINE_LENGTH = 200;

/**
 * The last lines of a log, for a message about why its program ended. Only what was written from `fromByte` on: an
 * earlier run's last words would mislead. Of a stack trace only the line that names the error. Empty when there is nothing, or nothing can be read.
 */
export function logTail(file: string, fromByte: number, maxLines: number): readonly string[] {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const { size } = fstatSync(descriptor);
    const start = Math.max(fromByte, size - TAIL_BYTES);
    if (start >= size) return [];
    const bytes = Buffer.alloc(size - start);
    const read = readSync(descriptor, bytes, 0, bytes.length, start);
    const lines = bytes
      .subarray(0, read)
      .toString()
      // A program's output must not steer the terminal.
      // eslint-disable-next-line no-control-regex
      .replace(/\x1b\[[0-9;]*[A-Za-z]|[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => (line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}…` : line));
    // A stack trace says what went wrong in one line of many: above its frames in Node, below them in Python.
    const reason = lines.findLast((line) => /^(\w+\.)*\w*(Error|Exception)\b/.test(line));
    return reason === undefined ? lines.slice(-maxLines) : [reason];
  } catch {
    return [];
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** How many bytes a log has; 0 when there is none. */
export function logSize(descriptor: number): number {
  try {
    return fstatSync(descriptor).size;
  } catch {
    return 0;
  }
}
