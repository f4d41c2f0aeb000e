// The one entry of every npm script: installs and builds what is missing, then runs what was asked for.
//
//   node scripts/run.mjs demo|test|build|check|long|bench|faults|soak|transparent|kubernetes|fuzz|foreign|heddle [arguments]
//
// Nothing is imported before the version check, so that an old Node gets one clear sentence and not a stack trace.
const OLDEST_NODE = [20, 20, 0];

const version = process.versions.node.split('.').map(Number);
const difference = OLDEST_NODE.map((part, index) => version[index] - part).find((part) => part !== 0);
if (difference < 0) {
  process.stderr.write(
    `Heddle needs Node ${OLDEST_NODE.join('.')} or newer, and this is ${process.versions.node}.\n`,
  );
  process.exit(1);
}

const [command, ...args] = process.argv.slice(2);

/**
 * Programs of the repository: they take this process over, so signals and exit codes are theirs. `parts` are the
 * workspaces that must be built; the command line starts the proxy and the control plane as processes.
 */
const mesh = ['cli', 'control-plane', 'data-plane', 'dashboard'];
const programs = {
  demo: { entry: 'cli/dist/main.js', args: ['demo', ...args], parts: mesh },
  heddle: { entry: 'cli/dist/main.js', args, parts: mesh },
  faults: { entry: 'test/dist/faults/main.js', args, parts: ['test', ...mesh] },
  soak: { entry: 'test/dist/soak/main.js', args, parts: ['test', ...mesh] },
  transparent: { entry: 'test/dist/transparent/main.js', args, parts: ['test', ...mesh] },
  kubernetes: { entry: 'test/dist/kubernetes/main.js', args, parts: ['test', ...mesh] },
  bodies: { entry: 'test/dist/bodies/main.js', args, parts: ['test', ...mesh] },
  fuzz: { entry: 'test/dist/fuzz/main.js', args, parts: ['test', ...mesh] },
  foreign: { entry: 'test/dist/foreign/main.js', args, parts: ['test', ...mesh] },
  bench: { entry: 'bench/dist/main.js', args, parts: ['bench', ...mesh] },
};

const { prepare } = await import('./prepare.mjs');

if (command === 'build') {
  await prepare();
} else if (command === 'check') {
  await prepare();
  const { runChecks } = await import('./check.mjs');
  process.exitCode = await runChecks(args);
} else if (command === 'test') {
  await prepare();
  const { runChecks } = await import('./check.mjs');
  const { runTests } = await import('./test.mjs');
  // A filter means that somebody works on one thing and wants its answer soon.
  const checked = args.length === 0 ? await runChecks([]) : 0;
  const tested = await runTests(args);
  process.exitCode = checked || tested;
} else if (command === 'long') {
  await prepare();
  const { runTests } = await import('./test.mjs');
  process.exitCode = await runTests(['test/src/long/', ...args]);
} else if (Object.hasOwn(programs, command ?? '')) {
  await prepare(programs[command].parts);
  await takeOver(programs[command]);
} else {
  process.stderr.write(
    'usage: node scripts/run.mjs demo|test|build|check|long|bench|faults|soak|transparent|kubernetes|fuzz|foreign|heddle [arguments]\n',
  );
  process.exitCode = 2;
}

async function takeOver(program) {
  const { existsSync } = await import('node:fs');
  const entry = new URL(`../${program.entry}`, import.meta.url);
  if (!existsSync(entry)) {
    process.stderr.write(`${program.entry} does not exist: this command is not part of this version yet.\n`);
    process.exitCode = 1;
    return;
  }
  const { fileURLToPath } = await import('node:url');
  process.argv = [process.execPath, fileURLToPath(entry), ...program.args];
  await import(entry.href);
}
