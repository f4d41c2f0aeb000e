import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { readProxyHeader, type ProxyHeaderVerdict } from '@heddle/data-plane/testing';
import { forgeCertificate, forgeRoot, GeneralNameTag, type ForgedCertificate } from '@heddle/certs/testing';
import { echoed } from '../support/echoed.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { InteropMesh } from '../support/interop-mesh.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';

/** Of version 2, for IPv4. */
const HEADER_BYTES = 28;
const root = forgeRoot('public root');
const server = certificateFor('api.example.com');
const client = certificateFor('client.example.com');

/** A service outside the mesh that speaks HTTPS alone, and a program that calls it in plain text through its sidecar. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(`TLS of a DestinationRule at ${subject.name}`, { skip: subject.missing ?? false }, () => {
    let mesh: InteropMesh;
    let folder: string;
    let outbound: number;
    let outboundTcp: number;
    /** By TLS, and behind a header of this length. It sends back what it gets. */
    let headerBytes = 0;
    let header: ProxyHeaderVerdict | undefined;
    const echo = createTcpServer((socket) => void serveBehindHeader(socket));
    const serveBehindHeader = async (socket: Socket): Promise<void> => {
      socket.on('error', () => socket.destroy());
      if (headerBytes > 0) {
        let bytes: Buffer | null = null;
        while (bytes === null && !socket.destroyed) {
          await new Promise((resolve) => socket.once('readable', resolve).once('close', resolve));
          bytes = socket.read(headerBytes) as Buffer | null;
        }
        header = readProxyHeader(bytes ?? Buffer.alloc(0));
      }
      const secured = new TLSSocket(socket, {
        isServer: true,
        cert: server.certificatePem,
        key: server.keyPem,
      });
      secured.on('error', () => socket.destroy());
      secured.pipe(secured);
    };
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
      await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
      mesh = await InteropMesh.start({
        'service.yaml': serviceYaml(
          (backend.address() as AddressInfo).port,
          (echo.address() as AddressInfo).port,
        ),
        'rule.yaml': ruleYaml(simple()),
      });
      outbound = await freePort();
      outboundTcp = await freePort();
      await mesh.startProxy(subject, {
        role: 'sidecar',
        name: 'caller',
        labels: { app: 'caller' },
        explicit: {
          ...{ bindAddress: '127.0.0.1', inbound: [], httpProxy: 0, gatewayPorts: {} },
          outbound: { 'api.example.com:80': outbound, 'api.example.com:81': outboundTcp },
        },
      });
      await mesh.synced();
    });
    after(async () => {
      await mesh?.close();
      backend?.close();
      backend?.closeAllConnections();
      echo.close();
      await rm(folder, { recursive: true, force: true });
    });

    const simple = (more = ''): string => `mode: SIMPLE, caCertificates: ${join(folder, 'root.pem')}${more}`;
    const apply = async (tls: string, status: number, more?: string): Promise<void> => {
      await mesh.write('rule.yaml', ruleYaml(tls, more));
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

    it('is begun for connections that carry no requests as well', async () => {
      await apply(simple(), 200);
      assert.equal(await echoed(outboundTcp), 'hello');
    });

    it('comes behind the header of the PROXY protocol where a rule asks for that', async () => {
      headerBytes = HEADER_BYTES;
      try {
        // What expects no header does not understand what comes.
        await apply(simple(), 503, ', proxyProtocol: { version: V2 }');
        assert.equal(await echoed(outboundTcp), 'hello', mesh.output);
        assert.ok(header?.kind === 'header');
        const { source, destination } = header.header.addresses ?? {};
        assert.equal(source?.host, '127.0.0.1');
        assert.deepEqual(destination, { host: '127.0.0.1', port: outboundTcp });
      } finally {
        headerBytes = 0;
      }
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

function serviceYaml(port: number, tcpPort: number): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec:
  hosts: [api.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
    - { number: 80, name: http, protocol: HTTP, targetPort: ${port} }
    - { number: 81, name: tcp, protocol: TCP, targetPort: ${tcpPort} }
  endpoints: [{ address: 127.0.0.1 }]
`;
}

function ruleYaml(tls: string, more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: api }
spec: { host: api.example.com, trafficPolicy: { tls: { ${tls} }${more} } }
`;
}
