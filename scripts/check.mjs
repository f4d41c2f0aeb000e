// Runs the checks that need no running program: format, lint, import arrows. Each one also proves that it can fail.
//
//   npm run check                all
//   npm run check -- arrows      some
import { runNode } from './child.mjs';

const CHECKS = {
  arrows: 'scripts/check-arrows.mjs',
  lint: 'scripts/check-lint.mjs',
  format: 'scripts/check-format.mjs',
};

export async function runChecks(names) {
  const unknown = names.filter((name) => !Object.hasOwn(CHECKS, name));
  if (unknown.length > 0) {
    process.stderr.write(
      `no such check: ${unknown.join(', ')}; there are ${Object.keys(CHECKS).join(', ')}\n`,
    );
    return 2;
  }
  const chosen = names.length === 0 ? Object.keys(CHECKS) : names;
  const codes = await Promise.all(chosen.map(runCheck));
  return codes.every((code) => code === 0) ? 0 : 1;
}

/** The checks run side by side, so each one's output is held back until it is whole. */
async function runCheck(name) {
  const startedMs = Date.now();
  let output = '';
  const code = await runNode([CHECKS[name]], { onOutput: (chunk) => (output += chunk) });
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${output}# check ${name}: ${code === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
  return code;
}
