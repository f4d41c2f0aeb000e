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

/** The codes in a source's literals; what comments give as an example does not count. */
export function errorCodesIn(source: string): readonly string[] {
  return source
    .split('\n')
    .filter((line) => !/^\s*(\*|\/\*|\/\/)/.test(line))
    .flatMap((line) => [...line.matchAll(/(['"`])(MESH_[A-Z0-9_]*[A-Z0-9])\1/g)])
    .map((match) => match[2] as string);
}

/** The codes of the first column of the table in docs/errors.md, in their order there. */
export function documentedErrorCodes(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^\|\s*`(MESH_[A-Z0-9_]+)`\s*\|/gm)].map((match) => match[1] as string);
}
