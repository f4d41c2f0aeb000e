import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { proxyBootstrap } from '@heddle/cli';
import { callApi, joinToken } from '../control-plane/ca-client.js';
import {
  service,
  startControlPlane,
  workload,
  workloads,
  type RunningControlPlane,
} from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { RunningProgram } from '../support/running-program.js';

const mesh = {
  'a.yaml': service('a'),
  'a-run.yaml': workloads('a', ['10.0.0.1']),
  'web.yaml': workload('web'),
};

interface Shown {
  readonly spiffe_id: string;
  readonly alarm: string;
  readonly certificate?: { readonly serial_number: string };
  readonly roots: readonly { readonly fingerprint: string }[];
  readonly last_error?: string;
  readonly hears_of_roots: boolean;
}

describe('heddle-proxy with an identity', () => {
  const base = mkdtempSync(join(tmpdir(), 'heddle-proxy-identity-'));
  const caFolder = join(base, 'ca');
  const programs: RunningProgram[] = [];
  let plane: RunningControlPlane;
  before(async () => {
    plane = await startControlPlane(mesh, { identity: { caFolder } });
  });
  after(async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await plane.close();
    rmSync(base, { recursive: true, force: true });
  });

  const start = async (
    token: string | undefined,
    variant: 'sotw' | 'delta' = 'delta',
    certificateTtl?: string,
    startProgram = heddleProxy().start,
  ): Promise<{ folder: string; adminPort: number; program: RunningProgram }> => {
    const folder = mkdtempSync(join(base, 'proxy-'));
    const tokenFile = join(folder, 'token');
    if (token !== undefined) writeFileSync(tokenFile, token, { mode: 0o600 });
    const adminPort = await freePort();
    const bootstrap = proxyBootstrap({
      role: 'sidecar',
      variant,
      name: `web-${adminPort}`,
      namespace: 'default',
      workloadName: 'web',
      labels: { app: 'web' },
      serviceAccount: 'web',
      adminPort,
      xdsPort: plane.xdsTlsPort,
      accessLog: join(folder, 'access.log'),
      explicit: {
        bindAddress: '127.0.0.1',
        inbound: [],
        outbound: { 'a.default.svc.cluster.local:80': await freePort() },
        httpProxy: 0,
        gatewayPorts: {},
      },
      identity: {
        trustDomain: 'cluster.local',
        caAddress: `127.0.0.1:${plane.xdsTlsPort}`,
        rootsFile: plane.rootsFile,
        tokenFile,
      },
    });
    const { metadata } = (bootstrap as { node: { metadata: Record<string, unknown> } }).node;
    if (certificateTtl !== undefined) metadata['HEDDLE_CERT_TTL'] = certificateTtl;
    writeFileSync(join(folder, 'bootstrap.json'), JSON.stringify(bootstrap));
    const program = startProgram(join(folder, 'bootstrap.json'), join(folder, 'state'));
    programs.push(program);
    return { folder, adminPort, program };
  };
  const identityOf = async (adminPort: number): Promise<Shown> =>
    JSON.parse((await httpCall(adminPort, '/identity')).body) as Shown;
  const isReady = async (adminPort: number): Promise<boolean> =>
    (await httpCall(adminPort, '/ready').catch(() => ({ status: 0 }))).status === 200;

  for (const variant of ['sotw', 'delta'] as const) {
    it(`is ready with its certificate, and with it gets its configuration over TLS (${variant})`, async () => {
      const { token } = await joinToken(plane.apiPort, 'default', 'web');
      const { adminPort, program, folder } = await start(token, variant);
      await eventually(
        () => isReady(adminPort),
        () => program.output,
      );
      const shown = await identityOf(adminPort);
      assert.equal(shown.spiffe_id, 'spiffe://cluster.local/ns/default/sa/web');
      assert.match(shown.certificate?.serial_number ?? '', /^[0-9a-f]{32}$/);
      assert.equal(shown.alarm, 'none');
      const { text } = await callApi(plane.apiPort, 'GET', '/api/v1/proxies');
      const { proxies } = JSON.parse(text) as { proxies: { id: string; provenBy: string }[] };
      assert.equal(proxies.find(({ id }) => id.includes(`web-${adminPort}`))?.provenBy, 'certificate');
      const stats = (await httpCall(adminPort, '/stats')).body;
      const expiry = Number(/identity\.certificate_expiration_unix_time_seconds: (\d+)/.exec(stats)?.[1]);
      assert.ok(Math.abs(expiry - Date.now() / 1000 - 86_400) < 60, String(expiry));
      assert.match(stats, /identity\.renewal_alarm: 0\n/);
      await eventually(
        () => existsSync(join(folder, 'state')),
        () => 'no last good configuration',
      );
      for (const file of filesBelow(folder)) {
        assert.doesNotMatch(readFileSync(file, 'latin1'), /PRIVATE KEY/, `a key in ${file}`);
      }
    });
  }

  it('is expected back by a root rotation when it was killed, and not when it was stopped', async () => {
    const { token } = await joinToken(plane.apiPort, 'default', 'web');
    const [killed, stopped] = [await start(token), await start(token)];
    type Holder = { readonly id: string; readonly presence: string; readonly knowsRoots: boolean };
    const holder = async ({ adminPort }: typeof killed): Promise<Holder | undefined> => {
      const { text } = await callApi(plane.apiPort, 'GET', '/api/v1/ca/workloads');
      const { workloads: known } = JSON.parse(text) as { workloads: Holder[] };
      return known.find(({ id }) => id.includes(`web-${adminPort}`));
    };
    const until = (proxy: typeof killed, is: (seen: Holder | undefined) => boolean): Promise<void> => {
      let seen: Holder | undefined;
      return eventually(
        async () => is((seen = await holder(proxy))),
        () => `it is ${JSON.stringify(seen)}\n${proxy.program.output}`,
      );
    };
    // One that has not said that it took the roots is nobody to wait for.
    await Promise.all([killed, stopped].map((proxy) => until(proxy, (seen) => seen?.knowsRoots === true)));
    killed.program.kill('SIGKILL');
    await stopped.program.stop();
    await until(killed, (seen) => seen?.presence === 'away');
    await until(stopped, (seen) => seen === undefined);
  });

  it('keeps its identity when heddled is started again, and hears of roots again', async () => {
    const { token } = await joinToken(plane.apiPort, 'default', 'web');
    const { adminPort, program } = await start(token);
    await eventually(
      () => isReady(adminPort),
      () => program.output,
    );
    const before_ = await identityOf(adminPort);
    const { xdsTlsPort, folder } = plane;
    await plane.close();
    await eventually(
      async () => !(await identityOf(adminPort)).hears_of_roots,
      () => program.output,
    );
    assert.ok(await isReady(adminPort));
    plane = await startControlPlane(mesh, { identity: { caFolder, tlsPort: xdsTlsPort } });
    await eventually(
      async () => (await identityOf(adminPort)).hears_of_roots,
      () => program.output,
    );
    await eventually(
      async () => /control_plane\.connected_state: 1\n/.test((await httpCall(adminPort, '/stats')).body),
      () => program.output,
    );
    const after_ = await identityOf(adminPort);
    assert.deepEqual(after_.certificate, before_.certificate);
    assert.deepEqual(after_.roots, before_.roots);
    assert.notEqual(plane.folder, folder);
  });

  it('is ready again with the same identity, killed or replaced while heddled is away, and no file holds its key', async () => {
    const { token } = await joinToken(plane.apiPort, 'default', 'web');
    const { folder, adminPort, program } = await start(token, 'delta', undefined, supervisedProxy);
    await eventually(
      () => isReady(adminPort),
      () => program.output,
    );
    const before_ = await identityOf(adminPort);
    await eventually(
      () => filesBelow(folder).some((file) => file.endsWith('.bin')),
      () => 'no last good configuration',
    );
    const { xdsTlsPort } = plane;
    await plane.close();
    const pid = Number(/"proxy started".*?"pid":(\d+)/.exec(program.output)?.[1]);
    process.kill(pid, 'SIGKILL');
    const isInherited = (times: number) => (): boolean =>
      program.output.match(/"certificate inherited"/g)?.length === times;
    await eventually(isInherited(1), () => program.output);
    await eventually(
      () => isReady(adminPort),
      () => program.output,
    );
    program.kill('SIGHUP');
    await eventually(
      () => program.output.includes('"proxy replaced"'),
      () => program.output,
    );
    assert.ok(isInherited(2)(), program.output);
    await eventually(
      () => isReady(adminPort),
      () => program.output,
    );
    const after_ = await identityOf(adminPort);
    assert.equal(after_.certificate?.serial_number, before_.certificate?.serial_number);
    for (const file of filesBelow(folder)) {
      assert.doesNotMatch(readFileSync(file, 'latin1'), /PRIVATE KEY/, `a key in ${file}`);
    }
    assert.doesNotMatch(program.output, /PRIVATE KEY/);
    plane = await startControlPlane(mesh, { identity: { caFolder, tlsPort: xdsTlsPort } });
    await eventually(
      async () => (await identityOf(adminPort)).hears_of_roots,
      () => program.output,
    );
  });

  it('raises the alarm while heddled is away at renewal, until the end, and is well again when it is back', async () => {
    const { token } = await joinToken(plane.apiPort, 'default', 'web');
    const { adminPort, program } = await start(token, 'delta', '10s');
    await eventually(
      () => isReady(adminPort),
      () => program.output,
    );
    const { xdsTlsPort } = plane;
    await plane.close();
    const alarms = new Set<string>();
    await eventually(
      async () => {
        alarms.add((await identityOf(adminPort)).alarm);
        return alarms.has('expired');
      },
      () => [...alarms].join(),
      30_000,
    );
    assert.deepEqual([...alarms], ['none', 'notice', 'warning', 'critical', 'expired']);
    assert.match(program.output, /"level":"error".*"certificate renewal failed"/);
    plane = await startControlPlane(mesh, { identity: { caFolder, tlsPort: xdsTlsPort } });
    await eventually(
      async () => (await identityOf(adminPort)).alarm === 'none',
      () => program.output,
      30_000,
    );
  });

  it('is not ready with the token of another identity, and says why', async () => {
    const { token } = await joinToken(plane.apiPort, 'default', 'admin');
    const { adminPort, program } = await start(token);
    await eventually(
      async () => (await identityOf(adminPort).catch(() => undefined))?.last_error !== undefined,
      () => program.output,
    );
    const shown = await identityOf(adminPort);
    assert.match(
      shown.last_error ?? '',
      /is for spiffe:\/\/cluster\.local\/ns\/default\/sa\/admin, not for .*\/sa\/web/,
    );
    assert.equal(shown.certificate, undefined);
    assert.equal(shown.alarm, 'critical');
    assert.equal(await isReady(adminPort), false);
    await eventually(
      () => program.output.includes('SERVICE_ACCOUNT \\"web\\": this proxy has proven to be'),
      () => program.output,
    );
  });

  it('is not ready without a token, or with one that has ended', async () => {
    const short = await joinToken(plane.apiPort, 'default', 'web', 1);
    // Its end is told in whole seconds.
    const endsAtMs = Date.now() + 2_000;
    await eventually(
      () => Date.now() > endsAtMs,
      () => 'time stands still',
    );
    for (const [token, reason] of [
      [undefined, /there is no join token/],
      [short.token, /the join token has expired/],
    ] as const) {
      const { adminPort, program } = await start(token);
      await eventually(
        async () => reason.test((await identityOf(adminPort).catch(() => undefined))?.last_error ?? ''),
        () => program.output,
      );
      assert.equal(await isReady(adminPort), false);
    }
  });

  it('does not start without an authority where its control plane is reached over TLS', async () => {
    const { folder } = await start(undefined);
    const bootstrap = JSON.parse(readFileSync(join(folder, 'bootstrap.json'), 'utf8')) as {
      node: { metadata: Record<string, unknown> };
    };
    for (const name of Object.keys(bootstrap.node.metadata))
      if (/HEDDLE_(CA_|IDENTITY)/.test(name)) delete bootstrap.node.metadata[name];
    writeFileSync(join(folder, 'without.json'), JSON.stringify(bootstrap));
    const program = heddleProxy().start(join(folder, 'without.json'), join(folder, 'state'));
    assert.equal((await program.ended()).code, 1);
    assert.match(
      program.output,
      /HEDDLE_CA_ADDRESS: \(or --ca-address\) is missing: the control plane is reached over TLS/,
    );
  });
});

function supervisedProxy(file: string, state: string): RunningProgram {
  const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
  return new RunningProgram(process.execPath, [main, '--supervise', '-c', file, '--state-dir', state]);
}

/** Without those that are being written: they get another name at any moment. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
