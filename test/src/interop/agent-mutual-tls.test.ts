import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { proxyBootstrap, type ExplicitPlan } from '@heddle/cli';
import { callApi, joinToken } from '../control-plane/ca-client.js';
import { service, startControlPlane, type RunningControlPlane } from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy, realEnvoy, type ProxySubject } from '../support/proxy-subjects.js';
import { RunningProgram } from '../support/running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const pairs = [
  [heddleProxy(), realEnvoy()],
  [realEnvoy(), heddleProxy()],
] as const;

/** heddle-proxy with its own identity, and real Envoy with that of `heddle agent`, all of one authority. */
for (const [calling, called] of pairs) {
  const skip = realEnvoy().missing ?? false;
  describe(`mutual TLS from ${calling.name} to ${called.name}, certificates by heddled`, { skip }, () => {
    const base = mkdtempSync(join(tmpdir(), 'hmt-'));
    const programs: RunningProgram[] = [];
    let plane: RunningControlPlane;
    let inboundPort = 0;
    let outboundPort = 0;
    const backend = createServer((_request, response) => response.end('reviews'));

    before(async () => {
      await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
      const { port: application } = backend.address() as AddressInfo;
      inboundPort = await freePort();
      outboundPort = await freePort();
      plane = await startControlPlane(
        {
          'reviews.yaml': service('reviews'),
          'entry.yaml': entryYaml(inboundPort),
          'policy.yaml': STRICT,
        },
        { identity: {} },
      );
      await start(called, 'reviews', {
        inbound: [{ name: 'http', port: 8080, listen: inboundPort, application }],
      });
      await start(calling, 'caller', { outbound: { 'reviews.default.svc.cluster.local:80': outboundPort } });
    });
    after(async () => {
      await Promise.all(programs.map((program) => program.stop()));
      await plane.close();
      backend.close();
      backend.closeAllConnections();
      rmSync(base, { recursive: true, force: true });
    });

    const outputs = (): string => programs.map(({ output }) => output).join('\n');
    const run = (command: string, args: readonly string[]): RunningProgram => {
      const program = new RunningProgram(command, args);
      programs.push(program);
      return program;
    };
    const start = async (
      subject: ProxySubject,
      account: string,
      plan: Partial<ExplicitPlan>,
    ): Promise<void> => {
      const tokenFile = join(base, `${account}.token`);
      writeFileSync(tokenFile, (await joinToken(plane.apiPort, 'default', account)).token, { mode: 0o600 });
      const caAddress = `127.0.0.1:${plane.xdsTlsPort}`;
      const socket = join(base, account, 'socket');
      if (subject.name === 'envoy') {
        const agent = run(process.execPath, [
          ...[heddle, 'agent', '-s', account, '--socket', socket, '--ca-address', caAddress],
          ...['--ca-root-file', plane.rootsFile, '--ca-token-file', tokenFile],
        ]);
        await eventually(
          () => agent.output.includes('heddle agent: '),
          () => agent.output,
        );
      }
      const adminPort = await freePort();
      const bootstrap = proxyBootstrap({
        role: 'sidecar',
        name: account,
        namespace: 'default',
        workloadName: account,
        labels: account === 'reviews' ? { app: account } : {},
        serviceAccount: account,
        adminPort,
        accessLog: join(base, `${account}.log`),
        explicit: {
          ...{ bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} },
          ...plan,
        },
        ...(subject.name === 'envoy'
          ? { agentSocket: socket }
          : {
              xdsPort: plane.xdsTlsPort,
              identity: { trustDomain: 'cluster.local', caAddress, rootsFile: plane.rootsFile, tokenFile },
            }),
      });
      const file = join(base, `${account}.json`);
      writeFileSync(file, JSON.stringify(bootstrap));
      const proxy = subject.start(file, join(base, `${account}-state`));
      programs.push(proxy);
      await eventually(
        async () => (await httpCall(adminPort, '/ready')).status === 200,
        () => `${account} is not ready\n${proxy.output}`,
      );
    };
    const answers = (): Promise<void> =>
      eventually(async () => (await httpCall(outboundPort, '/')).body === 'reviews', outputs);

    it('is how they talk under STRICT, and each knows the other', async () => {
      await answers();
      for (const [log, peer] of [
        ['reviews', 'caller'],
        ['caller', 'reviews'],
      ] as const) {
        await eventually(
          () => readFileSync(join(base, `${log}.log`), 'utf8').includes(identityOf(peer)),
          () => readFileSync(join(base, `${log}.log`), 'utf8'),
        );
      }
      assert.equal((await httpCall(inboundPort, '/')).status, 0, 'plain text is refused');
      const { text } = await callApi(plane.apiPort, 'GET', '/api/v1/proxies');
      assert.doesNotMatch(text, /"nack"/);
    });

    it('goes on through a rotation of the root', async () => {
      const step = async (name: string): Promise<void> => {
        const { status, text } = await callApi(plane.apiPort, 'POST', `/api/v1/ca/rotation/${name}`);
        assert.equal(status, 200, text);
      };
      const everybody = (
        check: (holder: { knowsRoots: boolean; root: string }, signer: string) => boolean,
      ): Promise<void> =>
        eventually(async () => {
          const of = async (path: string): Promise<string> =>
            (await callApi(plane.apiPort, 'GET', path)).text;
          const { roots } = JSON.parse(await of('/api/v1/ca')) as {
            roots: { fingerprint: string; signs: boolean }[];
          };
          const signer = roots.find(({ signs }) => signs)?.fingerprint ?? '';
          const { workloads } = JSON.parse(await of('/api/v1/ca/workloads')) as {
            workloads: { knowsRoots: boolean; root: string }[];
          };
          return workloads.length === 2 && workloads.every((holder) => check(holder, signer));
        }, outputs);
      await step('begin');
      await everybody(({ knowsRoots }) => knowsRoots);
      await answers();
      await step('switch');
      await everybody(({ knowsRoots, root }, signer) => knowsRoots && root === signer);
      await answers();
      await step('finish?force=true');
      await everybody(({ knowsRoots }) => knowsRoots);
      await answers();
    });
  });
}

function entryYaml(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: reviews-0
  annotations: { heddle.dev/application-ports: "http=8080" }
spec:
  address: 127.0.0.1
  ports: { http: ${port} }
  labels: { app: reviews, security.istio.io/tlsMode: istio }
  serviceAccount: reviews
`;
}

const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
`;
