import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { forgeCertificate, forgeRoot, GeneralNameTag, type ForgedCertificate } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { InteropMesh } from '../support/interop-mesh.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';

const root = forgeRoot('public root');
const server = certificateFor('api.example.com');
const client = certificateFor('client.example.com');

/** A service outside the mesh that speaks HTTPS alone, and a program that calls it in plain text through its sidecar. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(`TLS of a DestinationRule at ${subject.name}`, { skip: subject.missing ?? false }, () => {
    let mesh: InteropMesh;
    let folder: string;
    let outbound: number;
    let backend: Server;
    const seen: string[] = [];

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'heddle-destination-tls-'));
      const files = {
        'root.pem': root.certificatePem,
        'cert.pem': client.certificatePem,
        'key.pem': client.keyPem,
      };
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(folder, name), text, { mode: 0o600 });
      }
      const tls = { cert: server.certificatePem, key: server.keyPem, ca: root.certificatePem };
      backend = createServer(
        { ...tls, requestCert: true, rejectUnauthorized: false },
        (request, response) => {
          const socket = request.socket as TLSSocket;
          seen.push(
            `${socket.servername || '-'} ${socket.getPeerX509Certificate()?.subjectAltName ?? 'nobody'}`,
          );
          response.end('secured');
        },
      );
      await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
      mesh = await InteropMesh.start({
        'service.yaml': serviceYaml((backend.address() as AddressInfo).port),
        'rule.yaml': ruleYaml(simple()),
      });
      outbound = await freePort();
      await mesh.startProxy(subject, {
        role: 'sidecar',
        name: 'caller',
        labels: { app: 'caller' },
        explicit: {
          ...{ bindAddress: '127.0.0.1', inbound: [], httpProxy: 0, gatewayPorts: {} },
          outbound: { 'api.example.com:80': outbound },
        },
      });
      await mesh.synced();
    });
    after(async () => {
      await mesh?.close();
      backend?.close();
      backend?.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    });

    const simple = (more = ''): string => `mode: SIMPLE, caCertificates: ${join(folder, 'root.pem')}${more}`;
    const apply = async (tls: string, status: number): Promise<void> => {
      await mesh.write('rule.yaml', ruleYaml(tls));
      await mesh.synced();
      await eventually(
        async () => (await httpCall(outbound, '/')).status === status,
        () => `no ${status}\n${mesh.output}`,
      );
    };

    it('is begun with mode SIMPLE: the name is asked for and verified, and no certificate shown', async () => {
      await apply(simple(), 200);
      assert.equal(seen.at(-1), 'api.example.com nobody');
      assert.deepEqual(await mesh.nacks(), []);
    });

    it('shows the certificate of its files with mode MUTUAL', async () => {
      const files = `clientCertificate: ${join(folder, 'cert.pem')}, privateKey: ${join(folder, 'key.pem')}`;
      await apply(`mode: MUTUAL, caCertificates: ${join(folder, 'root.pem')}, ${files}`, 200);
      await eventually(
        async () =>
          (await httpCall(outbound, '/')).status === 200 &&
          seen.at(-1) === 'api.example.com DNS:client.example.com',
        () => `it was shown ${seen.at(-1)}`,
      );
    });

    it('is not spoken with a server of another name, nor with one that no authority vouches for', async () => {
      await apply(simple(', subjectAltNames: [other.example.com]'), 503);
      await apply(simple(), 200);
      await writeFile(join(folder, 'other.pem'), forgeRoot('other root').certificatePem);
      await apply(`mode: SIMPLE, caCertificates: ${join(folder, 'other.pem')}`, 503);
      // The public authorities do not vouch for it either.
      await apply('mode: SIMPLE', 503);
    });

    it('verifies nothing where it is told so', async () => {
      await apply('mode: SIMPLE, insecureSkipVerify: true', 200);
    });
  });
}

function certificateFor(name: string): ForgedCertificate {
  return forgeCertificate({
    issuer: root,
    names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from(name) }],
  });
}

function serviceYaml(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec:
  hosts: [api.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  endpoints: [{ address: 127.0.0.1 }]
`;
}

function ruleYaml(tls: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: api }
spec: { host: api.example.com, trafficPolicy: { tls: { ${tls} } } }
`;
}
