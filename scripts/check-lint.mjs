// Runs ESLint over the repository, then over planted violations, each of which must be found by the rule it breaks.
import path from 'node:path';
import { ESLint } from 'eslint';
import { root, sourceFiles } from './workspaces.mjs';

/**
 * Rule, file, text. Rules that need types only know files of the project, so the text stands in for that of a real
 * file; nothing is written.
 */
const PLANTED = [
  [
    '@typescript-eslint/no-floating-promises',
    'common/src/errors.ts',
    'export const f = () => { fetch("x"); };',
  ],
  [
    '@typescript-eslint/no-misused-promises',
    'common/src/errors.ts',
    'export const f = () => { if (fetch("x")) { return 1; } return 2; };',
  ],
  [
    '@typescript-eslint/switch-exhaustiveness-check',
    'common/src/errors.ts',
    'export function f(x: "a" | "b") { switch (x) { case "a": return 1; } return 2; }',
  ],
  [
    '@typescript-eslint/consistent-type-imports',
    'common/src/errors.ts',
    'import { Socket } from "node:net"; export const f = (s: Socket) => s as unknown;',
  ],
  [
    '@typescript-eslint/no-explicit-any',
    'common/src/errors.ts',
    'export const f = (x: any) => x as unknown;',
  ],
  ['no-restricted-properties', 'common/src/errors.ts', 'export const f = () => process.env["HOME"];'],
  ['no-restricted-properties', 'common/src/errors.ts', 'const { env } = process; export const f = env;'],
  ['no-restricted-imports', 'common/src/errors.ts', 'export { env } from "node:process";'],
  ['no-restricted-syntax', 'common/src/errors.ts', 'export default 1;'],
  ['no-console', 'common/src/errors.ts', 'export const f = () => console.log("x");'],
  ['no-restricted-syntax', 'scripts/helpers.mjs', 'export const f = 1;'],
  ['no-restricted-syntax', 'scripts/utils.mjs', 'export const f = 1;'],
  ['no-restricted-syntax', 'scripts/types.mjs', 'export const f = 1;'],
  ['no-restricted-syntax', 'scripts/misc.mjs', 'export const f = 1;'],
];

// Before the linting, so that a file written meanwhile is not missed.
const sources = sourceFiles();
const eslint = new ESLint({ cwd: root });
const results = await eslint.lintFiles(['.']);
const found = results.filter((result) => result.errorCount + result.warningCount > 0);
if (found.length > 0) console.error((await eslint.loadFormatter('stylish')).format(found));
let failed = found.filter((result) => result.errorCount > 0).length;

for (const [rule, file, text] of PLANTED) {
  const [result] = await eslint.lintText(text, { filePath: path.join(root, file) });
  if (result?.messages.some((message) => message.ruleId === rule)) continue;
  failed++;
  console.error(`planted in ${file}, but not found by ${rule}: ${text}`);
  for (const message of result?.messages ?? []) console.error(`  found instead: ${message.message}`);
}

// As many as there are sources: a config that matches nothing passes too.
const linted = new Set(results.map((result) => path.relative(root, result.filePath)));
const missed = sources.filter((file) => !linted.has(file));
if (missed.length > 0) {
  failed++;
  console.error(`not linted: ${missed.join(', ')}`);
}
console.log(
  `lint: ${results.length} files, ${found.length} with problems, ${PLANTED.length} planted violations`,
);
process.exitCode = failed === 0 ? 0 : 1;
