import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the checkout that these tests were compiled in. */
export const repositoryRoot = path.resolve(fileURLToPath(new URL('../../..', import.meta.url)));

const NOT_OURS = new Set(['node_modules', 'dist', 'gen', '.git', '.heddle', 'coverage', 'peers']);

/**
 * Every file of the repository that exists, as paths from its root: what git tracks, or, in a copy without git, all
 * files outside the folders that are made by tools.
 */
export function trackedFiles(root: string = repositoryRoot): readonly string[] {
  if (!existsSync(path.join(root, '.git'))) return walk(root, '');
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  return listed.split('\0').filter((file) => file !== '' && existsSync(path.join(root, file)));
}

/** The text of a file, or undefined where it is not text. */
export function textOf(root: string, file: string): string | undefined {
  const text = readFileSync(path.join(root, file), 'utf8');
  return text.includes('\0') ? undefined : text;
}

function walk(root: string, folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : walk(root, file);
    return entry.isFile() ? [file] : [];
  });
}
