// Brings a checkout to the state in which everything can run: dependencies installed, code generated, TypeScript built.
// Does next to nothing when nothing changed.
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { run, runNode } from './child.mjs';
import { filesBelow, root, workspaces } from './workspaces.mjs';

const say = (text) => process.stderr.write(`${text}\n`);

/** Installs where that is needed, then builds the workspaces named, or all. Ends the process where that fails. */
export async function prepare(parts = []) {
  if (!isInstalled()) await install();
  await build(parts);
}

/**
 * Whether node_modules holds what the lock file asks for. npm notes what it installed in a hidden lock file; where that
 * is younger, it is right, and where it is older (a pull or a fresh checkout touches files), the versions are compared.
 */
export function isInstalled(folder = root) {
  const wanted = path.join(folder, 'package-lock.json');
  const installed = path.join(folder, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  if (statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return true;
  const { packages: wantedPackages } = JSON.parse(readFileSync(wanted, 'utf8'));
  const { packages: installedPackages } = JSON.parse(readFileSync(installed, 'utf8'));
  return Object.entries(wantedPackages).every(
    ([location, { version, optional }]) =>
      location === '' || optional === true || installedPackages[location]?.version === version,
  );
}

async function install() {
  say('Installing dependencies (once; this takes a minute) …');
  const startedMs = Date.now();
  const seconds = () => Math.round((Date.now() - startedMs) / 1000);
  const progress = setInterval(() => say(`… still installing, ${seconds()} s`), 15_000);
  // Development dependencies build the project, so they come along even where the environment says otherwise.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const code = npm?.endsWith('npm-cli.js') ? await runNode([npm, ...args]) : await run('npm', args);
  clearInterval(progress);
  stopUnless('installing', code);
  say(`Installed in ${seconds()} s.`);
}

async function build(parts) {
  removeStaleOutput();
  const startedMs = Date.now();
  await step('generating code from the protos', ['xds-protos/scripts/generate.mjs']);
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  await step('compiling', [tsc, '-b', ...parts, ...(process.stdout.isTTY ? ['--pretty'] : [])]);
  const tookMs = Date.now() - startedMs;
  if (tookMs > 5_000) say(`Built in ${Math.round(tookMs / 1000)} s.`);
}

async function step(name, args) {
  stopUnless(name, await runNode(args));
}

function stopUnless(name, code) {
  if (code === 0) return;
  say(`Stopped: ${name} ended with ${code}.`);
  process.exit(code);
}

/** Output whose source is gone: a removed test would otherwise go on running, and a removed module go on working. */
function removeStaleOutput() {
  for (const workspace of workspaces) {
    const sources = new Set(
      filesBelow(path.join(root, workspace, 'src')).map((file) => file.replace(/\.tsx?$/, '')),
    );
    for (const file of filesBelow(path.join(root, workspace, 'dist'))) {
      const output = /^(?<name>.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file);
      if (output && !sources.has(output.groups.name)) rmSync(path.join(root, workspace, 'dist', file));
    }
  }
}
