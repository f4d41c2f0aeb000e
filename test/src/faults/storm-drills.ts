import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { proxyBootstrap } from '@heddle/cli';
import { service } from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { RunningProgram } from '../support/running-program.js';
import type { DrillGround } from './drill.js';
import { FaultyUpstream } from './faulty-upstream.js';
import { ProxyGround } from './proxy-ground.js';
import { during } from './steady-callers.js';
import { StreamStorm } from './stream-storm.js';

const heddled = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/control-plane')));
const STREAMS = 5_000;

/** Faults of very many at once. */
export function stormDrills(): DrillGround {
  const upstream = new FaultyUpstream();
  let folder = '';
  let xdsPort = 0;
  let upstreamPort = 0;
  let plane: RunningProgram | undefined;

  const write = (greeting: string): Promise<void> =>
    writeFile(join(folder, 'mesh', 'web.yaml'), `${service('web')}---\n${entry(upstreamPort, greeting)}`);

  return {
    name: `a heddled with ${STREAMS} proxies`,
    start: async () => {
      upstreamPort = await upstream.listen();
      folder = await mkdtemp(join(tmpdir(), 'heddle-storm-'));
      await mkdir(join(folder, 'mesh'));
      await write('first');
      xdsPort = await freePort();
      plane = new RunningProgram(process.execPath, [
        ...[heddled, '-f', join(folder, 'mesh'), '--xds', `127.0.0.1:${xdsPort}`, '--xds-auth', 'permissive'],
        ...['--api', '127.0.0.1:0', '--log-level', 'warn'],
      ]);
    },
    stop: async () => {
      await plane?.stop(2000);
      await upstream.close();
      await rm(folder, { recursive: true, force: true });
    },
    drills: [
      {
        name: `${STREAMS} discovery streams break off and are there again at once`,
        run: async () => {
          const proxy = await ProxyGround.start({
            upstreamPort,
            bootstrap: (adminPort, port) =>
              proxyBootstrap({
                role: 'sidecar',
                name: 'caller',
                namespace: 'default',
                workloadName: 'caller',
                labels: {},
                serviceAccount: 'caller',
                adminPort,
                xdsPort,
                accessLog: join(folder, 'access.log'),
                explicit: {
                  ...{ bindAddress: '127.0.0.1', inbound: [], httpProxy: 0, gatewayPorts: {} },
                  outbound: { 'web.default.svc.cluster.local:80': port },
                },
              }),
          });
          const storm = new StreamStorm(xdsPort, STREAMS);
          try {
            return await during(proxy.port, async (callers) => {
              const first = await storm.connect();
              storm.breakOff();
              const again = await storm.connect();
              const updates = (): Promise<number> => proxy.counter('xds.eds.update_success');
              const before = await updates();
              await write('second');
              const changedMs = performance.now();
              await eventually(
                async () => (await updates()) > before,
                () => 'the change did not come',
                60_000,
              );
              const change = performance.now() - changedMs;
              await callers.more(100);
              const isConnected = (await proxy.counter('control_plane.connected_state')) === 1;
              if (!isConnected || plane?.exit !== undefined)
                throw new Error(`heddled gave way\n${plane?.output}`);
              const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
              return [
                `answered within ${seconds(first)}, and again within ${seconds(again)}; ${storm.failures} attempts were made anew`,
                `a change came within ${seconds(change)} then`,
              ];
            });
          } finally {
            storm.breakOff();
            await proxy.stop();
          }
        },
      },
    ],
  };
}

function entry(port: number, version: string): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: web-0 }
spec: { address: 127.0.0.1, labels: { app: web, version: ${version} }, ports: { http: ${port} } }
`;
}
