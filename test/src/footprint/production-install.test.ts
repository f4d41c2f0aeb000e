import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type SuiteContext, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import { PROXY_NODE_FLAGS, proxyEnvironment } from '@heddle/supervisor';
import { RunningProgram } from '../support/running-program.js';
import { FakeControlPlane } from '../xds/fake-control-plane.js';
import { meshOfOneRoute, sidecarBootstrap } from './mesh-of-one-route.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);
/** Resident memory of an idle sidecar with one route, in MiB: about a quarter above what was measured. */
/** An empty Node needs 10 MiB more from 24 on, and loads TLS and HTTP/2 with HTTP. */
const MAX_RSS_MIB = Number(process.versions.node.split('.')[0]) >= 24 ? 110 : 95;
/** What a sidecar has no business to have on disk. */
const FORBIDDEN =
  /control-plane|certs\/.*authority|typescript|eslint|prettier|commander|grpc-js-xds|protobufjs-cli|fast-check/;

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

describe('a production install of the data plane alone', () => {
  let folder = '';
  let missing = '';
  let adminPort = 0;
  let port = 0;
  const upstream = new RecordingUpstream('b1');
  let proxy: RunningProgram | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-footprint-'));
    await upstream.listen();
    missing = await install(folder);
  });
  after(async () => {
    await proxy?.stop(2000);
    await upstream.close();
    await rm(folder, { recursive: true, force: true });
  });

  const skipped = (context: TestContext | SuiteContext): boolean => {
    if (missing === '') return false;
    (context as TestContext).skip(missing);
    return true;
  };
  const start = (file: string): RunningProgram =>
    new RunningProgram(
      process.execPath,
      [
        ...PROXY_NODE_FLAGS,
        join(folder, 'node_modules/@heddle/data-plane/dist/main.js'),
        ...['-c', file, '--state-dir', join(folder, 'state')],
      ],
      proxyEnvironment(process.env),
    );

  it('holds nothing of the control plane or of development', async (t) => {
    if (skipped(t)) return;
    const installed = await packagesIn(join(folder, 'node_modules'));
    assert.ok(installed.includes('@heddle/data-plane'), installed.join());
    assert.deepEqual(
      installed.filter((name) => FORBIDDEN.test(name)),
      [],
    );
  });

  it('serves what a control plane gives it, and keeps it on disk', async (t) => {
    if (skipped(t)) return;
    adminPort = await freePort();
    port = await freePort();
    const plane = new FakeControlPlane('delta');
    try {
      for (const { typeUrl, name, message } of meshOfOneRoute(port, upstream.port))
        plane.set(typeUrl, name, message);
      const file = join(folder, 'bootstrap.json');
      await writeFile(file, JSON.stringify(sidecarBootstrap(adminPort, await plane.listen())));
      const first = start(file);
      proxy = first;
      await eventually(
        async () => (await httpCall(port, '/first')).status === 200,
        () => `does not serve\n${first.output}`,
      );
      await eventually(
        async () => (await readdir(join(folder, 'state')).catch(() => [])).length > 0,
        () => 'keeps nothing on disk',
      );
      await first.stop(5000);
    } finally {
      plane.close();
    }
  });

  it('boots from that with the control plane unreachable, and serves the same', async (t) => {
    if (skipped(t)) return;
    const again = start(join(folder, 'bootstrap.json'));
    proxy = again;
    await eventually(
      async () => (await httpCall(port, '/second')).body === 'b1 GET /second\n',
      () => `does not serve\n${again.output}`,
    );
    assert.equal((await httpCall(adminPort, '/ready')).status, 200);
  });

  it(`needs less than ${MAX_RSS_MIB} MiB of resident memory`, async (t) => {
    if (skipped(t)) return;
    const status = `/proc/${proxy?.pid}/status`;
    if (!existsSync(status)) {
      t.skip('no /proc here');
      return;
    }
    const rss = Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(status, 'utf8'))?.[1]) / 1024;
    t.diagnostic(`resident memory: ${rss.toFixed(1)} MiB`);
    assert.ok(rss > 0 && rss < MAX_RSS_MIB, `${rss.toFixed(1)} MiB`);
  });
});

/** Packs the data plane and the workspaces that it needs, and installs them; '' or why that cannot be done here. */
async function install(folder: string): Promise<string> {
  const needed = await workspacesNeeded('data-plane');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const packs = join(folder, 'packs');
  await mkdir(packs);
  const workspaceFlags = needed.flatMap(({ path }) => ['--workspace', path]);
  await run(npm, ['pack', '--ignore-scripts', '--pack-destination', packs, ...workspaceFlags], { cwd: ROOT });
  const dependencies = Object.fromEntries(
    (await readdir(packs)).map((file) => {
      const name = needed.find(({ name }) =>
        file.startsWith(`${name.replace('@', '').replace('/', '-')}-`),
      )?.name;
      assert.ok(name !== undefined, file);
      return [name, `file:./packs/${file}`];
    }),
  );
  assert.equal(Object.keys(dependencies).length, needed.length);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const args = ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  try {
    await run(npm, [...args, '--fetch-retries=0'], { cwd: folder, timeout: 60_000 });
    return '';
  } catch (error) {
    const text = String((error as { stderr?: string }).stderr ?? error);
    if (/ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|network/i.test(text)) {
      return `packages cannot be fetched here: ${text.split('\n')[0]}`;
    }
    throw error;
  }
}

/** A workspace and those of ours that it depends on. */
async function workspacesNeeded(first: string): Promise<readonly { name: string; path: string }[]> {
  const found = new Map<string, { name: string; path: string }>();
  const queue = [first];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const manifest = JSON.parse(await readFile(join(ROOT, path, 'package.json'), 'utf8')) as Manifest;
    if (found.has(manifest.name)) continue;
    found.set(manifest.name, { name: manifest.name, path });
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (name.startsWith('@heddle/')) queue.push(name.slice('@heddle/'.length));
    }
  }
  return [...found.values()];
}

async function packagesIn(modules: string): Promise<readonly string[]> {
  const names = await readdir(modules);
  const scoped = names.filter((name) => name.startsWith('@'));
  const inner = await Promise.all(
    scoped.map(async (scope) => (await readdir(join(modules, scope))).map((name) => `${scope}/${name}`)),
  );
  return [...names.filter((name) => !name.startsWith('@') && !name.startsWith('.')), ...inner.flat()];
}
