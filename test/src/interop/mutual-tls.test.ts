import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
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
const subjects: readonly ProxySubject[] = [heddleProxy(), realEnvoy()];
const pairs = subjects.flatMap((calling) => subjects.map((called) => [calling, called] as const));

/** A caller and a service, each with its sidecar and an agent that has its certificate. */
for (const [calling, called] of pairs) {
  const skip = calling.missing ?? called.missing ?? false;
  describe(`mutual TLS from ${calling.name} to ${called.name}`, { skip }, () => {
    let mesh: InteropMesh;
    let proxies: readonly MeshProxy[] = [];
    const closing: { close(): unknown }[] = [];
    const ports = { http: 0, tcp: 0, outboundHttp: 0, outboundTcp: 0 };
    let seen: (string | undefined)[] = [];
    const backend = createServer((request, response) => {
      seen.push(request.headers['x-forwarded-client-cert'] as string | undefined);
      response.end('reviews');
    });
    const echo = createTcpServer((socket) => socket.pipe(socket).on('error', () => socket.destroy()));

    before(async () => {
      const application = { http: await listening(backend), tcp: await listening(echo) };
      for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
      const agents = await Promise.all(
        ['caller', 'reviews'].map((account) => WorkloadAgent.start(root, identityOf(account))),
      );
      closing.push(...agents);
      mesh = await InteropMesh.start({
        'service.yaml': serviceYaml,
        'entry.yaml': entryYaml(ports, 'reviews'),
      });
      const nothing = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
      proxies = [
        await mesh.startProxy(called, {
          role: 'sidecar',
          name: 'reviews',
          labels: { app: 'reviews' },
          sdsPort: agents[1]?.port ?? 0,
          explicit: {
            ...nothing,
            inbound: [
              { name: 'http', port: 9080, listen: ports.http, application: application.http },
              { name: 'tcp-data', port: 5432, listen: ports.tcp, application: application.tcp },
            ],
          },
        }),
        await mesh.startProxy(calling, {
          role: 'sidecar',
          name: 'caller',
          labels: { app: 'caller' },
          sdsPort: agents[0]?.port ?? 0,
          explicit: {
            ...nothing,
            outbound: {
              'reviews.default.svc.cluster.local:80': ports.outboundHttp,
              'reviews.default.svc.cluster.local:81': ports.outboundTcp,
            },
          },
        }),
      ];
      await mesh.synced();
    });
    after(async () => {
      await mesh?.close();
      for (const one of closing) one.close();
      backend.close();
      backend.closeAllConnections();
      echo.close();
    });
    beforeEach(() => {
      seen = [];
    });

    const outputs = (): string => proxies.map(({ program }) => program.output).join('\n');
    const policy = async (spec: string, name = 'policy.yaml'): Promise<void> => {
      await mesh.write(name, spec);
    };
    const forged = { 'x-forwarded-client-cert': `URI=${identityOf('forged')}` };
    const byMesh = (): ReturnType<typeof httpCall> => httpCall(ports.outboundHttp, '/', { headers: forged });
    const direct = (): ReturnType<typeof httpCall> => httpCall(ports.http, '/', { headers: forged });
    /** Whom the called last saw. */
    const caller = async (): Promise<unknown> =>
      (await mesh.lastLogLine('reviews'))['downstream_peer_uri_san'];
    const until = (what: string, check: () => Promise<boolean>): Promise<void> =>
      eventually(check, () => `${what}\n${outputs()}`);

    it('is spoken by default wherever both can, and the called knows who calls', async () => {
      await until('no answer', async () => (await byMesh()).status === 200);
      await until('the log does not say who called', async () => (await caller()) === identityOf('caller'));
      assert.equal(await echoed(ports.outboundTcp), 'hello');
      assert.deepEqual(await mesh.nacks(), []);
    });

    it('is told to the application, whatever the caller says of itself', async () => {
      assert.equal((await byMesh()).status, 200);
      assert.match(seen.at(-1) ?? '', new RegExp(`URI=${identityOf('caller')}`));
      assert.doesNotMatch(seen.at(-1) ?? '', /forged/);
    });

    it('leaves plain text to those who have no identity, and believes nothing that they say of one', async () => {
      assert.equal((await direct()).body, 'reviews');
      assert.deepEqual(seen, [undefined]);
      assert.equal(await echoed(ports.tcp), 'hello');
    });

    it('is all that is taken under STRICT', async () => {
      await policy(peerAuthentication('mtls: { mode: STRICT }'));
      await until('plain text is still taken', async () => (await direct()).status === 0);
      assert.notEqual(await echoed(ports.tcp), 'hello');
      await until('no answer', async () => (await byMesh()).status === 200);
      await until('the log does not say who called', async () => (await caller()) === identityOf('caller'));
      assert.equal(await echoed(ports.outboundTcp), 'hello');
    });

    it('differs by the ports of the application', async () => {
      await policy(peerAuthentication('mtls: { mode: STRICT }, portLevelMtls: { 5432: { mode: DISABLE } }'));
      await until('plain text is refused', async () => (await echoed(ports.tcp)) === 'hello');
      assert.equal((await direct()).status, 0);
      await until('no echo', async () => (await echoed(ports.outboundTcp)) === 'hello');
    });

    it('is spoken by nobody under DISABLE', async () => {
      await policy(peerAuthentication('mtls: { mode: DISABLE }'));
      await until('plain text is refused', async () => (await direct()).status === 200);
      await until(
        'a certificate is still shown',
        async () => (await byMesh()).status === 200 && (await caller()) === null,
      );
      await policy(peerAuthentication('mtls: { mode: STRICT }'));
      await until('no answer', async () => (await byMesh()).status === 200 && (await direct()).status === 0);
    });

    it('is not spoken with whoever has another identity than the service’s', async () => {
      await mesh.write('entry.yaml', entryYaml(ports, 'somebody-else'));
      await until('the impostor is called', async () => (await byMesh()).status === 503);
      await mesh.write('entry.yaml', entryYaml(ports, 'reviews'));
      await until('no answer', async () => (await byMesh()).status === 200);
    });

    it('follows a DestinationRule: not spoken with mode DISABLE, spoken with ISTIO_MUTUAL', async () => {
      await policy(destinationRule('DISABLE'), 'rule.yaml');
      await until('mutual TLS is still spoken', async () => (await byMesh()).status === 503);
      assert.match(await mesh.problems(), /mode DISABLE does not go with/);
      await policy(destinationRule('ISTIO_MUTUAL'), 'rule.yaml');
      await until('no answer', async () => (await byMesh()).status === 200);
      await mesh.remove('rule.yaml');
      await mesh.synced();
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

function entryYaml(ports: { readonly http: number; readonly tcp: number }, account: string): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: reviews-0
  annotations: { heddle.dev/application-ports: "http=9080,tcp-data=5432" }
spec:
  address: 127.0.0.1
  ports: { http: ${ports.http}, tcp-data: ${ports.tcp} }
  labels: { app: reviews, security.istio.io/tlsMode: istio }
  serviceAccount: ${account}
`;
}

function peerAuthentication(spec: string): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: reviews }
spec: { selector: { matchLabels: { app: reviews } }, ${spec} }
`;
}

function destinationRule(mode: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, trafficPolicy: { tls: { mode: ${mode} } } }
`;
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
