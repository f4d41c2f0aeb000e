// Runs the tests and the demo on the newest Node, which bench/fetch-peers.mjs fetches; skips with a reason without it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const node = process.env.HEDDLE_NEWEST_NODE ?? fileURLToPath(new URL('../bench/peers/node', import.meta.url));
const run = fileURLToPath(new URL('./run.mjs', import.meta.url));

if (!existsSync(node)) {
  process.stdout.write('skipped: no newest Node here; fetch it with node bench/fetch-peers.mjs\n');
} else {
  // Everything that is started by the name `node` is to be the newest as well.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` };
  for (const args of [
    ['test', ...process.argv.slice(2)],
    ['demo', '--check'],
  ]) {
    process.stdout.write(`# ${args.join(' ')} on ${spawnSync(node, ['--version']).stdout}`);
    const { status } = spawnSync(node, [run, ...args], { stdio: 'inherit', env });
    if (status !== 0) process.exit(status ?? 1);
  }
}
