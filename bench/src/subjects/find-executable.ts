import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where `fetch-peers.mjs` puts what it fetches. */
export const PEERS_FOLDER = fileURLToPath(new URL('../../peers/', import.meta.url));

/** The first of the fetched peers, PATH and the system folders that holds an executable of this name. */
export function findExecutable(name: string): string | undefined {
  const folders = [
    PEERS_FOLDER,
    ...(process.env['PATH'] ?? '').split(path.delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
  ];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
