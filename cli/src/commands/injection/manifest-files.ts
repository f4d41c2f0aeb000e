import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A text of manifests, and what it is called in messages. */
export interface ManifestFile {
  readonly name: string;
  readonly text: string;
}

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_FILES = 10_000;
const MAX_DEPTH = 32;

/**
 * What `-f` names: files, folders with everything below them that is YAML or JSON, in the order of their names, and `-` for
 * standard input.
 *
 * Errors: throws what people read: a path that is not there, what is too large or too many.
 */
export async function readManifestFiles(
  paths: readonly string[],
  stdin: AsyncIterable<Buffer | string>,
): Promise<readonly ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const path of new Set(paths)) {
    if (path === '-') files.push({ name: 'standard input', text: await readAll(stdin) });
    else for (const name of filesOf(path)) files.push({ name, text: readBounded(name) });
    if (files.length > MAX_FILES) throw new Error(`more than ${MAX_FILES} files`);
  }
  return files;
}

function filesOf(path: string): readonly string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new Error(`there is no file or folder ${path}`);
  }
  if (!isFolder) return [path];
  const found = manifestsBelow(path, 0);
  if (found.length === 0) throw new Error(`${path} has no files that end in .yaml, .yml or .json`);
  return found;
}

/** What begins with a dot is not meant: editors and version control keep their own there. */
function manifestsBelow(folder: string, depth: number): readonly string[] {
  if (depth > MAX_DEPTH) throw new Error(`${folder}: folders are nested too deeply`);
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return manifestsBelow(path, depth + 1);
      return /\.(yaml|yml|json)$/.test(entry.name) ? [path] : [];
    });
}

function readBounded(file: string): string {
  if (statSync(file).size > MAX_BYTES) throw new Error(`${file} is larger than ${MAX_BYTES} bytes`);
  return readFileSync(file, 'utf8');
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MAX_BYTES) throw new Error(`standard input is larger than ${MAX_BYTES} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString();
}
