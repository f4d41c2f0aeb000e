import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { forgeRoot } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { InteropMesh, type MeshProxy } from '../support/interop-mesh.js';
import { heddleProxy, realEnvoy, type ProxySubject } from '../support/proxy-subjects.js';
import { WorkloadAgent } from '../support/workload-agent.js';

const root = forgeRoot();
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const subjects: readonly ProxySubject[] = [heddleProxy(), realEnvoy()];
const pairs = subjects.flatMap((calling) => subjects.map((called) => [calling, called] as const));
const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, isStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const ECHO = { unary: method('Unary', false), chat: method('Chat', true) };

/** The port is named `grpc`, and nothing else says what is spoken: a caller and a service, each with its sidecar. */
for (const [calling, called] of pairs) {
  const skip = calling.missing ?? called.missing ?? false;
  describe(`gRPC by mutual TLS from ${calling.name} to ${called.name}`, { skip }, () => {
    let mesh: InteropMesh;
    let proxies: readonly MeshProxy[] = [];
    let client: Client;
    const agents: WorkloadAgent[] = [];
    const server = new Server();
    let seen: string | undefined;

    before(async () => {
      server.addService(ECHO, {
        unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
          seen = call.metadata.get('x-forwarded-client-cert')[0]?.toString();
          if (call.request.length === 0) answer({ code: status.NOT_FOUND, details: 'nothing' });
          else answer(null, call.request);
        },
        chat: (call: ServerDuplexStream<Buffer, Buffer>) =>
          call.on('data', (chunk) => call.write(chunk)).on('end', () => call.end()),
      });
      const application = await new Promise<number>((resolve, reject) => {
        server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
          error === null ? resolve(port) : reject(error),
        );
      });
      const [inbound, outbound] = [await freePort(), await freePort()];
      for (const account of ['caller', 'echo'])
        agents.push(await WorkloadAgent.start(root, identityOf(account)));
      mesh = await InteropMesh.start({ 'service.yaml': serviceYaml, 'entry.yaml': entryYaml(inbound) });
      const nothing = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
      proxies = [
        await mesh.startProxy(called, {
          role: 'sidecar',
          name: 'echo',
          labels: { app: 'echo' },
          sdsPort: agents[1]?.port ?? 0,
          explicit: { ...nothing, inbound: [{ name: 'grpc', port: 9080, listen: inbound, application }] },
        }),
        await mesh.startProxy(calling, {
          role: 'sidecar',
          name: 'caller',
          labels: { app: 'caller' },
          sdsPort: agents[0]?.port ?? 0,
          explicit: { ...nothing, outbound: { 'echo.default.svc.cluster.local:80': outbound } },
        }),
      ];
      await mesh.synced();
      client = new Client(`127.0.0.1:${outbound}`, credentials.createInsecure());
    });

    after(async () => {
      client?.close();
      await mesh?.close();
      for (const agent of agents) agent.close();
      server.forceShutdown();
    });

    const unary = (message: Buffer) =>
      new Promise<{ readonly code: number; readonly reply?: Buffer }>((resolve) => {
        const deadline = { deadline: Date.now() + 10_000 };
        client.makeUnaryRequest(
          ECHO.unary.path,
          same,
          same,
          message,
          new Metadata(),
          deadline,
          (error, reply) =>
            resolve({ code: error?.code ?? status.OK, ...(reply === undefined ? {} : { reply }) }),
        );
      });

    it('answers unary calls, passes on refusals, and tells the server who calls', async () => {
      const message = Buffer.alloc(100_000, 'm');
      await eventually(
        async () => (await unary(message)).code === status.OK,
        () => proxies.map(({ program }) => program.output).join('\n'),
      );
      assert.ok((await unary(message)).reply?.equals(message));
      assert.match(seen ?? '', new RegExp(`URI=${identityOf('caller')}`));
      assert.equal((await unary(Buffer.alloc(0))).code, status.NOT_FOUND);
      assert.deepEqual(await mesh.nacks(), []);
    });

    it('streams both ways at once', async () => {
      const chat = client.makeBidiStreamRequest(ECHO.chat.path, same, same);
      const replies = (chat as unknown as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      for (const text of ['one', 'two', 'three']) {
        chat.write(Buffer.from(text));
        assert.equal(((await replies.next()) as { value: Buffer }).value.toString(), text);
      }
      chat.end();
      assert.equal((await replies.next()).done, true);
    });
  });
}

const serviceYaml = `apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: grpc, port: 80, targetPort: grpc }]
`;

function entryYaml(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: echo-0
  annotations: { heddle.dev/application-ports: "grpc=9080" }
spec:
  address: 127.0.0.1
  ports: { grpc: ${port} }
  labels: { app: echo, security.istio.io/tlsMode: istio }
  serviceAccount: echo
`;
}
