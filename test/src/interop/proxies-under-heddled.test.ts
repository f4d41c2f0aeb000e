import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { proxyBootstrap } from '@heddle/cli';
import { silentLogger, systemClock, systemRandom } from '@heddle/common';
import { ControlPlane } from '@heddle/control-plane';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import type { RunningProgram } from '../support/running-program.js';

/** Our proxy and the real Envoy, in both variants of xDS, get the same configuration and serve the same routes. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  for (const variant of ['sotw', 'delta'] as const) {
    const skip = subject.missing ?? false;
    describe(`${subject.name} configured by heddled over ${variant}`, { skip }, () => {
      let folder = '';
      let plane: ControlPlane;
      let proxy: RunningProgram;
      let apiPort = 0;
      let gatewayPort = 0;
      let outboundPort = 0;
      let inboundPort = 0;
      const backends: Server[] = [];

      before(async () => {
        folder = await mkdtemp(join(tmpdir(), 'heddle-interop-'));
        await mkdir(join(folder, 'mesh'));
        const ports = [await backend('v1', backends), await backend('v2', backends)] as const;
        await write('service.yaml', serviceYaml);
        await write('v1.yaml', entryYaml('v1', ports[0]));
        await write('v2.yaml', entryYaml('v2', ports[1]));
        await write('routes.yaml', routesYaml('v1'));
        plane = new ControlPlane({
          folders: [join(folder, 'mesh')],
          appliedFolder: undefined,
          xdsAddress: '127.0.0.1:0',
          apiHost: '127.0.0.1',
          apiPort: 0,
          apiAllowedHosts: [],
          token: 'test',
          version: 'test',
          clock: systemClock,
          log: silentLogger,
          keySets: { allowLoopback: true, folder: undefined, random: systemRandom },
        });
        const started = await plane.start();
        apiPort = started.apiPort;
        const adminPort = await freePort();
        gatewayPort = await freePort();
        outboundPort = await freePort();
        inboundPort = await freePort();
        const bootstrap = (role: 'router' | 'sidecar', admin: number): unknown =>
          proxyBootstrap({
            role,
            variant,
            name: role === 'router' ? 'ingressgateway' : 'caller-0',
            namespace: 'default',
            workloadName: role === 'router' ? 'ingressgateway' : 'caller',
            labels: role === 'router' ? { istio: 'ingressgateway' } : { app: 'echo', version: 'v1' },
            serviceAccount: 'default',
            adminPort: admin,
            xdsPort: started.xdsPort,
            accessLog: join(folder, 'access.log'),
            explicit: {
              bindAddress: '127.0.0.1',
              inbound:
                role === 'router'
                  ? []
                  : [{ name: 'http', port: 8080, listen: inboundPort, application: ports[0] }],
              outbound: role === 'router' ? {} : { 'echo.default.svc.cluster.local:80': outboundPort },
              httpProxy: 0,
              gatewayPorts: role === 'router' ? { '8080': gatewayPort } : {},
            },
          });
        await writeFile(join(folder, 'gateway.json'), JSON.stringify(bootstrap('router', adminPort)));
        proxy = subject.start(join(folder, 'gateway.json'), join(folder, 'gateway-state'));
        await eventually(
          async () => (await httpCall(adminPort, '/ready')).status === 200,
          () => `the gateway is not ready\n${proxy.output}`,
        );
        const sidecarAdmin = await freePort();
        await writeFile(join(folder, 'sidecar.json'), JSON.stringify(bootstrap('sidecar', sidecarAdmin)));
        sidecar = subject.start(join(folder, 'sidecar.json'), join(folder, 'sidecar-state'));
        await eventually(
          async () => (await httpCall(sidecarAdmin, '/ready')).status === 200,
          () => `the sidecar is not ready\n${sidecar.output}`,
        );
      });
      let sidecar: RunningProgram;

      after(async () => {
        await Promise.all([proxy, sidecar].map((program) => program?.stop()));
        await plane?.close();
        for (const server of backends) {
          server.close();
          server.closeAllConnections();
        }
        await rm(folder, { recursive: true, force: true });
      });

      /** Renamed into place, as editors do. */
      const write = async (name: string, text: string): Promise<void> => {
        await writeFile(join(folder, `${name}.tmp`), text);
        await rename(join(folder, `${name}.tmp`), join(folder, 'mesh', name));
      };
      const statuses = async (): Promise<
        { id: string; types: { typeUrl: string; state: string; nack?: string }[] }[]
      > => (JSON.parse((await httpCall(apiPort, '/api/v1/proxies')).body) as { proxies: never }).proxies;
      const answersWith = (
        port: number,
        path: string,
        wanted: string,
        headers: Record<string, string> = {},
      ) =>
        eventually(
          async () => (await httpCall(port, path, { headers })).body === wanted,
          () => `no ${JSON.stringify(wanted)} from ${path}\n${proxy.output}`,
        );

      it('accepts everything that it is sent', async () => {
        await eventually(
          async () => {
            const proxies = await statuses();
            return (
              proxies.length === 2 &&
              proxies.every(
                ({ types }) => types.length >= 3 && types.every(({ state }) => state === 'synced'),
              )
            );
          },
          () => `not synced\n${proxy.output}`,
        );
        for (const { types } of await statuses()) {
          assert.deepEqual(
            types.filter(({ nack }) => nack !== undefined),
            [],
          );
        }
      });

      it('routes by path, header and rewrite at the gateway', async () => {
        await answersWith(gatewayPort, '/plain', 'v1 /plain');
        assert.equal((await httpCall(gatewayPort, '/x', { headers: { tester: 'yes' } })).body, 'v2 /x');
        assert.equal((await httpCall(gatewayPort, '/old/page?q=1')).body, 'v1 /new/page?q=1');
        const teapot = await httpCall(gatewayPort, '/teapot');
        assert.equal(teapot.status, 418);
        const moved = await httpCall(gatewayPort, '/moved');
        assert.equal(moved.status, 301);
        assert.equal(new URL(String(moved.headers['location']), 'http://x').pathname, '/elsewhere');
      });

      it('routes the same way from the application’s own side, and takes requests for the application', async () => {
        await answersWith(outboundPort, '/plain', 'v1 /plain');
        await answersWith(outboundPort, '/x', 'v2 /x', { tester: 'yes' });
        await answersWith(inboundPort, '/direct', 'v1 /direct');
      });

      it('follows an edit of the routes, and loses no request while it does', async () => {
        let failed = 0;
        let done = false;
        const load = (async () => {
          while (!done) if ((await httpCall(gatewayPort, '/plain')).status !== 200) failed++;
        })();
        await write('routes.yaml', routesYaml('v2'));
        await answersWith(gatewayPort, '/plain', 'v2 /plain');
        await write('routes.yaml', routesYaml('v1'));
        await answersWith(gatewayPort, '/plain', 'v1 /plain');
        done = true;
        await load;
        assert.equal(failed, 0);
      });

      it('keeps its routes when the file turns bad', async () => {
        await write('routes.yaml', routesYaml('v1').replace('weight', 'wieght'));
        await eventually(
          async () => (await httpCall(apiPort, '/api/v1/problems')).body.includes('wieght'),
          () => 'the mistake is not reported',
        );
        assert.equal((await httpCall(gatewayPort, '/plain')).body, 'v1 /plain');
        await write('routes.yaml', routesYaml('v1'));
      });

      it('answers 503 with no healthy upstream when the last endpoint of a subset is gone, and recovers', async () => {
        await rm(join(folder, 'mesh', 'v2.yaml'));
        await eventually(
          async () => (await httpCall(gatewayPort, '/x', { headers: { tester: 'yes' } })).status === 503,
          () => 'the endpoint is still called',
        );
        await write('v2.yaml', entryYaml('v2', (backends[1]?.address() as AddressInfo).port));
        await answersWith(gatewayPort, '/x', 'v2 /x', { tester: 'yes' });
      });
    });
  }
}

const serviceYaml = `
apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: 80, targetPort: http }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec:
  host: echo
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 8080, name: http, protocol: HTTP }
      hosts: ['*']
`;

function entryYaml(version: string, port: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: echo-${version} }
spec:
  address: 127.0.0.1
  ports: { http: ${port} }
  labels: { app: echo, version: ${version} }
`;
}

/** The same routes for callers in the mesh and for those that come through the gateway. */
function routesYaml(usual: string): string {
  return (
    virtualServiceYaml('echo', 'hosts: [echo]', usual) +
    virtualServiceYaml('edge', "hosts: ['*']\n  gateways: [edge]", usual)
  );
}

function virtualServiceYaml(name: string, hosts: string, usual: string): string {
  return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  ${hosts}
  http:
    - match: [{ uri: { exact: /teapot } }]
      directResponse: { status: 418 }
    - match: [{ uri: { exact: /moved } }]
      redirect: { uri: /elsewhere }
    - match: [{ uri: { prefix: /old/ } }]
      rewrite: { uri: /new/ }
      route: [{ destination: { host: echo, subset: v1 } }]
    - match: [{ headers: { tester: { exact: 'yes' } } }]
      route: [{ destination: { host: echo, subset: v2 } }]
    - route:
        - destination: { host: echo, subset: ${usual} }
          weight: 100
`;
}

/** A program that answers with its version and the path it was asked for. */
async function backend(version: string, started: Server[]): Promise<number> {
  const server = createServer((request, response) => response.end(`${version} ${request.url}`));
  started.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
