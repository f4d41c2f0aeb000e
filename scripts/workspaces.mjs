// Which workspaces there are and which files they hold, read from the tree and never from a list kept by hand.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

/** The folders of the workspaces, as the root package names them. */
export const workspaces = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).workspaces;

/** Every file below a folder, as paths from that folder, sorted. A folder that does not exist has none. */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** Every TypeScript source of every workspace, as paths from the root, declarations left out. */
export function sourceFiles() {
  return workspaces.flatMap((workspace) =>
    filesBelow(path.join(root, workspace, 'src'))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .map((file) => `${workspace}/src/${file}`),
  );
}
