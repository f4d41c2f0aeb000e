import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from './repository-files.js';

/** Every code that compiled sources name, with one file that does; tests make up codes, so they do not count. */
export function errorCodesInSources(root: string = repositoryRoot): ReadonlyMap<string, string> {
  const { workspaces } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    workspaces: string[];
  };
  const codes = new Map<string, string>();
  for (const workspace of workspaces.filter((name) => name !== 'test' && name !== 'bench')) {
    const dist = path.join(root, workspace, 'dist');
    for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js') || file.endsWith('.test.js')) continue;
      for (const code of errorCodesIn(readFileSync(path.join(dist, file), 'utf8'))) {
        codes.set(code, path.join(workspace, file));
      }
    }
  }
  return codes;
}

/**
 * The codes that classes of a source set; what comments give as an example does not count, and neither do other words
 * with that beginning (a ServiceEntry's `MESH_EXTERNAL`).
 *
 * Errors: where more classes extend MeshError than codes are set by a literal, for then some code cannot be seen.
 */
export function errorCodesIn(source: string): readonly string[] {
  const lines = source.split('\n').filter((line) => !/^\s*(\*|\/\*|\/\/)/.test(line));
  const codes = lines
    .flatMap((line) => [...line.matchAll(/\bcode\s*[=:]\s*(['"`])(MESH_[A-Z0-9_]*[A-Z0-9])\1/g)])
    .map((match) => match[2] as string);
  const classes = lines.filter((line) => /\bclass \w+ extends MeshError\b/.test(line)).length;
  if (codes.length < classes) {
    throw new Error(`${classes} classes extend MeshError, but only ${codes.length} codes are literals`);
  }
  return codes;
}

/** The codes of the first column of the table in docs/errors.md, in their order there. */
export function documentedErrorCodes(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^\|\s*`(MESH_[A-Z0-9_]+)`\s*\|/gm)].map((match) => match[1] as string);
}
