import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { forgeRoot } from '@heddle/certs/testing';
import { echoed } from '../support/echoed.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { InteropMesh, type MeshProxy } from '../support/interop-mesh.js';
import { heddleProxy, realEnvoy, type ProxySubject } from '../support/proxy-subjects.js';
import { WorkloadAgent } from '../support/workload-agent.js';

const root = forgeRoot();
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const [ours, envoy] = [heddleProxy(), realEnvoy()];
/** Ours with each other are in the tests of `heddle up`. */
const pairs: readonly (readonly [ProxySubject, ProxySubject])[] = [
  [ours, envoy],
  [envoy, ours],
];

/** Two callers and a service that speak HBONE, configured by heddled. */
for (const [calling, called] of pairs) {
  const skip = calling.missing ?? called.missing ?? false;
  describe(`HBONE under heddled from ${calling.name} to ${called.name}`, { skip }, () => {
    let mesh: InteropMesh;
    const proxies: Record<string, MeshProxy> = {};
    const closing: { close(): unknown }[] = [];
    const ports = { http: 0, tcp: 0, tunnel: 0 };
    const seen: IncomingHttpHeaders[] = [];
    const outbound = { friend: { http: 0, tcp: 0 }, stranger: { http: 0, tcp: 0 } };
    const backend = createServer((request, response) => {
      seen.push(request.headers);
      request.pipe(response);
    });
    const echo = createTcpServer((socket) => socket.pipe(socket).on('error', () => socket.destroy()));

    before(async () => {
      const application = { http: await listening(backend), tcp: await listening(echo) };
      for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
      mesh = await InteropMesh.start({ 'mesh.yaml': meshYaml(ports), 'policy.yaml': FRIENDS_ALONE });
      const start = async (
        subject: ProxySubject,
        name: string,
        plan: { inbound?: object[]; outbound?: Record<string, number>; hbone?: number },
      ): Promise<void> => {
        const agent = await WorkloadAgent.start(root, identityOf(name));
        closing.push(agent);
        const nothing = {
          bindAddress: '127.0.0.1',
          inbound: [],
          outbound: {},
          httpProxy: 0,
          gatewayPorts: {},
        };
        proxies[name] = await mesh.startProxy(subject, {
          role: 'sidecar',
          name,
          labels: { app: name },
          hbone: true,
          sdsPort: agent.port,
          explicit: { ...nothing, ...plan } as never,
        });
      };
      await start(called, 'reviews', {
        inbound: [
          { name: 'http', port: 9080, listen: ports.http, application: application.http },
          { name: 'tcp-data', port: 5432, listen: ports.tcp, application: application.tcp },
        ],
        hbone: ports.tunnel,
      });
      for (const name of ['friend', 'stranger'] as const) {
        outbound[name] = { http: await freePort(), tcp: await freePort() };
        await start(calling, name, {
          outbound: {
            'reviews.default.svc.cluster.local:80': outbound[name].http,
            'reviews.default.svc.cluster.local:81': outbound[name].tcp,
          },
        });
      }
      await mesh.synced();
    });
    after(async () => {
      await mesh?.close();
      for (const one of closing) one.close();
      backend.close();
      backend.closeAllConnections();
      echo.close();
    });

    const tunnels = async (): Promise<number> => {
      const { body } = await httpCall(proxies['reviews']?.adminPort ?? 0, '/stats?filter=connect_terminate');
      return Number(/^http\.connect_terminate\.downstream_rq_total: (\d+)/m.exec(body)?.[1]);
    };

    it('is accepted by every proxy', async () => {
      assert.deepEqual(await mesh.nacks(), []);
    });

    it('carries the requests and connections of whom a policy allows by name', async () => {
      const answer = await httpCall(outbound.friend.http, '/', { method: 'POST', body: 'hello' });
      assert.deepEqual([answer.status, answer.body], [200, 'hello'], mesh.output);
      assert.equal(await echoed(outbound.friend.tcp), 'hello', mesh.output);
      assert.ok((await tunnels()) >= 2, 'they came by no tunnel');
    });

    it('carries those of others as far as the policy, which refuses them', async () => {
      const before = await tunnels();
      seen.length = 0;
      const { status, body } = await httpCall(outbound.stranger.http, '/');
      assert.deepEqual([status, body], [403, 'RBAC: access denied']);
      assert.equal(await echoed(outbound.stranger.tcp), '');
      assert.deepEqual(seen, []);
      assert.ok((await tunnels()) >= before + 2, 'they came by no tunnel');
    });

    it('tells who calls in the log of the called', async () => {
      await eventually(
        async () => {
          const callers = (await mesh.logLines('reviews')).map((line) => line['downstream_peer_uri_san']);
          return callers.includes(identityOf('friend')) && callers.includes(identityOf('stranger'));
        },
        () => mesh.output,
      );
    });

    it('leaves no other way in under STRICT, and no tunnel without a certificate', async () => {
      assert.equal((await httpCall(ports.http, '/')).status, 0);
      assert.equal((await httpCall(ports.tunnel, '/')).status, 0);
    });
  });
}

const FRIENDS_ALONE = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: friends-alone }
spec:
  selector: { matchLabels: { app: reviews } }
  rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/friend] } }] }]
`;

/** One that takes tunnels, and its callers. */
function meshYaml(ports: { readonly http: number; readonly tcp: number; readonly tunnel: number }): string {
  return `apiVersion: v1
kind: Service
metadata: { name: reviews }
spec:
  selector: { app: reviews }
  ports: [{ name: http, port: 80, targetPort: http }, { name: tcp-data, port: 81, targetPort: tcp-data }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: reviews-0
  annotations:
    heddle.dev/application-ports: "http=9080,tcp-data=5432"
    heddle.dev/tunnel-port: "${ports.tunnel}"
spec:
  address: 127.0.0.1
  ports: { http: ${ports.http}, tcp-data: ${ports.tcp} }
  labels: { app: reviews, security.istio.io/tlsMode: istio, networking.istio.io/tunnel: http }
  serviceAccount: reviews
---
${['friend', 'stranger']
  .map(
    (name) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}-0 }
spec: { address: 127.0.0.1, labels: { app: ${name} }, serviceAccount: ${name} }
`,
  )
  .join('---\n')}`;
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
