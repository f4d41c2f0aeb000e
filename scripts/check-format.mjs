// Refuses files that Prettier would write differently. Ends with an error as well when a badly formatted file passes.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as prettier from 'prettier';
import { root } from './workspaces.mjs';

const ignorePath = path.join(root, '.prettierignore');
// Tracked files and new ones that are not ignored: what a commit could hold.
const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});

async function problemOf(file, text) {
  const filepath = path.join(root, file);
  const info = await prettier.getFileInfo(filepath, { ignorePath });
  if (info.ignored || info.inferredParser === null) return undefined;
  const options = await prettier.resolveConfig(filepath);
  try {
    const asWritten = text ?? readFileSync(filepath, 'utf8');
    return { differs: !(await prettier.check(asWritten, { ...options, filepath })) };
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    return { differs: true, reason: error.message.split('\n')[0] };
  }
}

let checked = 0;
let failed = 0;
for (const file of new Set(listed.split('\0').filter(Boolean))) {
  const problem = await problemOf(file);
  if (problem === undefined) continue;
  checked++;
  if (!problem.differs) continue;
  failed++;
  console.error(`${file}: ${problem.reason ?? 'not formatted; npx prettier --write mends it'}`);
}

const planted = await problemOf('common/src/planted.ts', 'export const  x = "double quotes" ;\n');
if (planted?.differs !== true) {
  failed++;
  console.error('a planted badly formatted file passed: this check proves nothing');
}
if (checked < 50) {
  failed++;
  console.error(`only ${checked} files were read: this check proves nothing`);
}
console.log(`format: ${checked} files read, ${failed} problems, a planted one was found`);
process.exitCode = failed === 0 ? 0 : 1;
