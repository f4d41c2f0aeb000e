import { readFileSync } from 'node:fs';

/**
 * Reads proto/messages.txt: `[file]` headings, then a line `Name: comment` for each message, enum and service kept.
 *
 * Shape: file -> (name within its package -> comment).
 */
export function readKeptMessages(path) {
  const kept = new Map();
  let names;
  for (const [index, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const heading = /^\[(.+)\]$/.exec(line);
    if (heading !== null) {
      kept.set(heading[1], (names = new Map()));
      continue;
    }
    const entry = /^([\w.]+): (\S.*)$/.exec(line);
    if (entry === null || names === undefined)
      throw new Error(`messages.txt:${index + 1}: cannot read ${line}`);
    if (names.has(entry[1])) throw new Error(`messages.txt:${index + 1}: ${entry[1]} is there twice`);
    names.set(entry[1], entry[2]);
  }
  return kept;
}
