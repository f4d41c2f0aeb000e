import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder for each parser, a file for each input: what fuzzing begins with, and what it ever found. */
export const CORPUS_FOLDER = fileURLToPath(new URL('../../corpus/', import.meta.url));

export interface CorpusEntry {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The inputs for a parser, in the order of their names. */
export function corpusOf(target: string): readonly CorpusEntry[] {
  const folder = join(CORPUS_FOLDER, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}
