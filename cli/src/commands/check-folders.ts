import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Terminal } from '../terminal.js';

/** Absolute paths of the folders that `-f` names; undefined when one cannot be used, each of which was said then. */
export function checkFolders(paths: readonly string[], terminal: Terminal): readonly string[] | undefined {
  const folders = [...new Set(paths.map((path) => resolve(path)))];
  const wrong = folders.flatMap((folder) => whyUnusable(folder) ?? []);
  for (const text of wrong) terminal.error(text);
  return wrong.length === 0 ? folders : undefined;
}

function whyUnusable(path: string): string | undefined {
  try {
    if (!statSync(path).isDirectory()) return `${path} is a file; -f takes the folder that it is in`;
    accessSync(path, constants.R_OK | constants.X_OK);
    return undefined;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    return code === 'ENOENT' ? `there is no folder ${path}` : `${path} cannot be read: ${message}`;
  }
}
