import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import {
  connect as connectTcp,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
} from 'node:net';
import { after, before, describe, it } from 'node:test';
import { forgeRoot } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { InteropMesh, type MeshProxy } from '../support/interop-mesh.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import { WorkloadAgent } from '../support/workload-agent.js';

const root = forgeRoot();
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;

/** A service and two callers, each with its sidecar and an agent that has its certificate, under policies. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(`AuthorizationPolicies at ${subject.name}`, { skip: subject.missing ?? false }, () => {
    let mesh: InteropMesh;
    let proxies: readonly MeshProxy[] = [];
    const closing: { close(): unknown }[] = [];
    const ports = { http: 0, tcp: 0, friendHttp: 0, friendTcp: 0, strangerHttp: 0, strangerTcp: 0 };
    let reached = 0;
    const backend = createServer((_request, response) => {
      reached++;
      response.end('reviews');
    });
    // Lets the client speak first: Envoy decides only then.
    const database = createTcpServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => socket.end('welcome'));
    });

    before(async () => {
      const application = { http: await listening(backend), tcp: await listening(database) };
      for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
      const accounts = ['reviews', 'friend', 'stranger'];
      const agents = await Promise.all(accounts.map((one) => WorkloadAgent.start(root, identityOf(one))));
      closing.push(...agents);
      mesh = await InteropMesh.start({
        'service.yaml': serviceYaml,
        'entry.yaml': entryYaml(ports),
        // Was never valid: denies from the start.
        'policy.yaml': policyYaml('action: ALLOWED, rules: [{}]'),
      });
      const nothing = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
      const caller = (name: string, http: number, tcp: number): Promise<MeshProxy> =>
        mesh.startProxy(subject, {
          role: 'sidecar',
          name,
          labels: { app: name },
          sdsPort: agents[accounts.indexOf(name)]?.port ?? 0,
          explicit: {
            ...nothing,
            outbound: {
              'reviews.default.svc.cluster.local:80': http,
              'reviews.default.svc.cluster.local:81': tcp,
            },
          },
        });
      proxies = [
        await mesh.startProxy(subject, {
          role: 'sidecar',
          name: 'reviews',
          labels: { app: 'reviews' },
          sdsPort: agents[0]?.port ?? 0,
          explicit: {
            ...nothing,
            inbound: [
              { name: 'http', port: 9080, listen: ports.http, application: application.http },
              { name: 'tcp-data', port: 5432, listen: ports.tcp, application: application.tcp },
            ],
          },
        }),
        await caller('friend', ports.friendHttp, ports.friendTcp),
        await caller('stranger', ports.strangerHttp, ports.strangerTcp),
      ];
      await mesh.synced();
    });

    after(async () => {
      await mesh?.close();
      for (const one of closing) one.close();
      backend.close();
      backend.closeAllConnections();
      database.close();
    });

    const outputs = (): string => proxies.map(({ program }) => program.output).join('\n');
    const until = (what: string, check: () => Promise<boolean>): Promise<void> =>
      eventually(check, () => `${what}\n${outputs()}`);
    const apply = (spec: string): Promise<void> => mesh.write('policy.yaml', policyYaml(spec));
    const friend = async (path = '/', headers: Record<string, string> = {}): Promise<number> =>
      (await httpCall(ports.friendHttp, path, { headers })).status;
    const stranger = async (path = '/', headers: Record<string, string> = {}): Promise<number> =>
      (await httpCall(ports.strangerHttp, path, { headers })).status;

    it('that were never valid deny, and say why', async () => {
      await until('not denied', async () => (await friend()) === 403);
      assert.equal(await said(ports.friendTcp), '');
      assert.equal(reached, 0);
      assert.match(await mesh.problems(), /is not valid and never was/);
      assert.deepEqual(await mesh.nacks(), []);
    });

    it('let in by principal, over HTTP and TCP', async () => {
      await apply('rules: [{ from: [{ source: { principals: ["cluster.local/ns/default/sa/friend"] } }] }]');
      await until('the friend is kept out', async () => (await friend()) === 200);
      assert.equal(await stranger(), 403);
      assert.equal(await said(ports.friendTcp), 'welcome');
      assert.equal(await said(ports.strangerTcp), '');
      // Who has no certificate has no name.
      assert.equal((await httpCall(ports.http, '/')).status, 403);
      assert.equal(await said(ports.tcp), '');
    });

    it('stay as they were when they turn invalid', async () => {
      await apply('rules: [{ form: [] }]');
      await until('the mistake is not told', async () => /unknown field/.test(await mesh.problems()));
      assert.equal(await friend(), 200);
      assert.equal(await stranger(), 403);
    });

    it('deny by path, method, header and port, however a request is written', async () => {
      const denied =
        'action: DENY, rules: [{ to: [{ operation: { paths: ["/admin*"], ports: ["9080"] } }] }, ' +
        '{ from: [{ source: { serviceAccounts: [stranger] } }], to: [{ operation: { ports: ["5432"] } }] }, ' +
        '{ to: [{ operation: { ports: ["9080"] } }], when: [{ key: "request.headers[x-role]", values: [guest] }] }]';
      await apply(denied);
      await until('the stranger is kept out', async () => (await stranger()) === 200);
      // What was connected before has its connection until it drains.
      await until('the friend is let in', async () => (await friend('/admin')) === 403);
      for (const path of ['/admin', '/admin/x?y', '/a/../admin', '/./admin', '/%61dmin']) {
        assert.equal(await friend(path), 403, path);
      }
      assert.equal(await friend('/', { 'x-role': 'guest' }), 403);
      assert.equal(await friend('/', { 'x-role': 'user' }), 200);
      assert.equal(await said(ports.friendTcp), 'welcome');
      assert.equal(await said(ports.strangerTcp), '');
    });

    it('let in by namespace, address, host, method and path together, but not what is named as not meant', async () => {
      await apply(
        'rules: [{ from: [{ source: { namespaces: [default], ipBlocks: ["127.0.0.0/8"], notPrincipals: ["*/sa/stranger"] } }], ' +
          'to: [{ operation: { hosts: ["reviews*"], methods: [GET], paths: ["/*"], notPaths: ["/private/*"] } }] }]',
      );
      await until('the stranger is let in', async () => (await stranger()) === 403);
      await until('the friend is let in', async () => (await friend('/private/x')) === 403);
      assert.equal(await friend(), 200);
      assert.equal((await httpCall(ports.friendHttp, '/', { method: 'POST' })).status, 403);
      assert.equal((await httpCall(ports.http, '/', { headers: { host: 'reviews' } })).status, 403);
      await apply('rules: [{ to: [{ operation: { hosts: [other.example] } }] }]');
      await until('the host does not matter', async () => (await friend()) === 403);
      assert.equal((await httpCall(ports.http, '/', { headers: { host: 'other.example' } })).status, 200);
      await apply('action: DENY, rules: [{ from: [{ source: { notIpBlocks: ["10.0.0.0/8", "::1"] } }] }]');
      const rule = 'rbac_access_denied_matched_policy[ns[default]-policy[reviews]-rule[0]]';
      await until(
        'the log does not name the rule',
        async () =>
          (await friend()) === 403 && (await mesh.lastLogLine('reviews'))['response_code_details'] === rule,
      );
      const { body } = await httpCall(proxies[0]?.adminPort ?? 0, '/stats?filter=rbac.*denied');
      assert.match(body, /rbac\.denied: [1-9]/);
    });

    it('are tried without effect, and go with their file', async () => {
      await mesh.write('policy.yaml', policyYaml('rules: []', 'istio.io/dry-run: "true"'));
      await until('the policy that denied is still in force', async () => (await friend('/admin')) === 200);
      await apply('rules: []');
      await until('nobody is kept out', async () => (await friend()) === 403);
      await mesh.remove('policy.yaml');
      await until('the friend is kept out', async () => (await friend()) === 200);
      assert.deepEqual(await mesh.nacks(), []);
    });
  });
}

const serviceYaml = `apiVersion: v1
kind: Service
metadata: { name: reviews }
spec:
  selector: { app: reviews }
  ports: [{ name: http, port: 80, targetPort: http }, { name: tcp-data, port: 81, targetPort: tcp-data }]
`;

function entryYaml(ports: { readonly http: number; readonly tcp: number }): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: reviews-0
  annotations: { heddle.dev/application-ports: "http=9080,tcp-data=5432" }
spec:
  address: 127.0.0.1
  ports: { http: ${ports.http}, tcp-data: ${ports.tcp} }
  labels: { app: reviews, security.istio.io/tlsMode: istio }
  serviceAccount: reviews
`;
}

function policyYaml(spec: string, annotation = ''): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: reviews, annotations: { ${annotation} } }
spec: { selector: { matchLabels: { app: reviews } }, ${spec} }
`;
}

/** What comes of a connection on which the client says something, too; empty: it was closed. Never rejects. */
function said(port: number): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connectTcp(port, '127.0.0.1', () => socket.write('hello'));
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
