import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect, createServer as createTlsServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { forgeCertificate, forgeRoot, GeneralNameTag, type ForgedCertificate } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { InteropMesh, type MeshProxy } from '../support/interop-mesh.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';

const root = forgeRoot('root');
const otherRoot = forgeRoot('other root');
const first = certificateFor('shop.example.com');
const second = certificateFor('shop.example.com');
const through = certificateFor('a.through.example.com');
const client = certificateFor('client.example.com');
const stranger = certificateFor('client.example.com', otherRoot);

/** A gateway with certificates of Secrets: from files, by heddled, over ADS, to the proxy that serves. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(`TLS at a gateway of ${subject.name}`, { skip: subject.missing ?? false }, () => {
    let mesh: InteropMesh;
    let proxy: MeshProxy;
    let plainPort = 0;
    let securePort = 0;
    const seen: (string | undefined)[] = [];
    const backend: Server = createServer((request, response) => {
      seen.push(request.headers['x-forwarded-client-cert'] as string | undefined);
      response.end(`${request.headers.host ?? ''} ${request.url ?? ''}`);
    });
    const secureBackend = createTlsServer({ key: through.keyPem, cert: through.certificatePem }, (socket) =>
      socket.end('passed on'),
    );

    before(async () => {
      const ports = await Promise.all([backend, secureBackend].map(listening));
      mesh = await InteropMesh.start({
        'gateway.yaml': gatewayYaml,
        'service.yaml': serviceYaml(ports[0] ?? 0, ports[1] ?? 0),
        'shop.yaml': secretYaml('shop', first),
        'bank.yaml': secretYaml('bank', first, root.certificatePem),
      });
      plainPort = await freePort();
      securePort = await freePort();
      proxy = await mesh.startProxy(subject, {
        role: 'router',
        name: 'ingressgateway',
        labels: { istio: 'ingressgateway' },
        explicit: {
          bindAddress: '127.0.0.1',
          inbound: [],
          outbound: {},
          httpProxy: 0,
          gatewayPorts: { '80': plainPort, '443': securePort },
        },
      });
      await mesh.synced();
      // What is acknowledged may still warm: a listener serves when it has all its certificates.
      await eventually(
        async () => (await call('shop.example.com')).serial === serialOf(first),
        () => `the gateway does not serve\n${proxy.program.output}`,
      );
    });
    after(async () => {
      await mesh?.close();
      backend.close();
      backend.closeAllConnections();
      secureBackend.close();
    });

    const call = (servername: string, more: ConnectionOptions = {}, headers = ''): Promise<TlsAnswer> =>
      tlsCall(securePort, { servername, ca: root.certificatePem, ...more }, headers);

    it('serves the certificate and the routes of the server whose name is asked for', async () => {
      const { serial, answer } = await call('shop.example.com');
      assert.equal(serial, serialOf(first));
      assert.match(answer, /^HTTP\/1\.1 200 [^]*shop\.example\.com \/secure$/);
      assert.deepEqual(await mesh.nacks(), []);
    });

    it('agrees on HTTP/2 with a client that offers it, and on HTTP/1.1 with one that offers nothing else', async () => {
      for (const offered of [['h2', 'http/1.1'], ['http/1.1']]) {
        const { alpn } = await call('shop.example.com', { ALPNProtocols: offered });
        assert.equal(alpn, offered[0]);
      }
    });

    it('turns away who asks for a name that no server has, and who speaks plain text', async () => {
      assert.equal((await call('nobody.example.com')).answer, '');
      assert.equal((await httpCall(securePort, '/')).status, 0);
    });

    it('does not serve the routes of one server under the name of another', async () => {
      const { answer } = await call('shop.example.com', {}, 'Host: bank.example.com');
      assert.match(answer, /^HTTP\/1\.1 404 /);
    });

    const known = { key: client.keyPem, cert: client.certificatePem };
    const forged = 'X-Forwarded-Client-Cert: DNS=forged.example.com';
    it('asks clients for a certificate under MUTUAL, and believes nothing that they say of one', async () => {
      seen.length = 0;
      assert.equal((await call('bank.example.com')).answer, '');
      const strange = { key: stranger.keyPem, cert: stranger.certificatePem };
      assert.equal((await call('bank.example.com', strange)).answer, '');
      assert.deepEqual(seen, []);
      assert.match((await call('bank.example.com', known, forged)).answer, /^HTTP\/1\.1 200 /);
      assert.doesNotMatch(seen[0] ?? '', /forged/);
      await call('shop.example.com', {}, forged);
      assert.equal(seen[1], undefined);
    });

    it('tells the application whose certificate it was', async () => {
      seen.length = 0;
      await call('bank.example.com', known, forged);
      assert.match(seen[0] ?? '', /DNS=client\.example\.com/);
    });

    it('passes TLS on as it is, by its server name', async () => {
      const { serial, answer } = await call('a.through.example.com');
      assert.equal(serial, serialOf(through));
      assert.equal(answer, 'passed on');
    });

    it('sends requests in plain text to https', async () => {
      const { status, headers } = await httpCall(plainPort, '/cart?id=1', {
        headers: { host: 'shop.example.com' },
      });
      assert.equal(status, 301);
      assert.equal(headers['location'], 'https://shop.example.com/cart?id=1');
    });

    it('takes a new certificate as soon as its file is written, without touching the listener', async () => {
      const listeners = async (): Promise<string> =>
        (await httpCall(proxy.adminPort, '/stats?filter=listener_manager.listener_(added|modified|removed)'))
          .body;
      const before = await listeners();
      await mesh.write('shop.yaml', secretYaml('shop', second));
      await eventually(
        async () => (await call('shop.example.com')).serial === serialOf(second),
        () => `the old certificate is still served\n${proxy.program.output}`,
      );
      assert.equal(await listeners(), before);
    });

    it('keeps its certificate when the file turns bad', async () => {
      await mesh.write('shop.yaml', secretYaml('shop', { ...second, keyPem: client.keyPem }));
      await eventually(
        async () => (await mesh.problems()).includes('does not belong'),
        () => 'the mistake is not reported',
      );
      assert.equal((await call('shop.example.com')).serial, serialOf(second));
      await mesh.write('shop.yaml', secretYaml('shop', second));
    });

    it('turns clients away when the Secret is gone, other servers of the port go on, and it comes back', async () => {
      await mesh.remove('shop.yaml');
      await eventually(
        async () => (await call('shop.example.com')).answer === '',
        () => 'still served',
      );
      assert.equal((await call('a.through.example.com')).answer, 'passed on');
      await mesh.write('shop.yaml', secretYaml('shop', second));
      await eventually(
        async () => (await call('shop.example.com')).serial === serialOf(second),
        () => 'not served again',
      );
      assert.deepEqual(await mesh.nacks(), []);
    });
  });
}

const gatewayYaml = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: [shop.example.com], tls: { httpsRedirect: true } }
    - { port: { number: 443, name: https-shop, protocol: HTTPS }, hosts: [shop.example.com], tls: { mode: SIMPLE, credentialName: shop } }
    - { port: { number: 443, name: https-bank, protocol: HTTPS }, hosts: [bank.example.com], tls: { mode: MUTUAL, credentialName: bank } }
    - { port: { number: 443, name: tls-through, protocol: TLS }, hosts: ['*.through.example.com'], tls: { mode: PASSTHROUGH } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec:
  hosts: [shop.example.com, bank.example.com]
  gateways: [edge]
  http: [{ route: [{ destination: { host: echo, port: { number: 80 } } }] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: through }
spec:
  hosts: ['*.through.example.com']
  gateways: [edge]
  tls:
    - match: [{ sniHosts: ['a.through.example.com'] }]
      route: [{ destination: { host: echo, port: { number: 443 } } }]
`;

function serviceYaml(plain: number, secure: number): string {
  return `apiVersion: v1
kind: Service
metadata: { name: echo }
spec: { selector: { app: echo }, ports: [{ name: http, port: 80 }, { name: tls, port: 443 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: echo }
spec: { address: 127.0.0.1, ports: { http: ${plain}, tls: ${secure} }, labels: { app: echo } }
`;
}

function secretYaml(
  name: string,
  { certificatePem, keyPem }: Pick<ForgedCertificate, 'certificatePem' | 'keyPem'>,
  authorities?: string,
): string {
  const values = {
    'tls.crt': certificatePem,
    'tls.key': keyPem,
    ...(authorities === undefined ? {} : { 'ca.crt': authorities }),
  };
  const data = Object.entries(values).map(
    ([field, text]) => `  ${field}: ${Buffer.from(text).toString('base64')}\n`,
  );
  return `apiVersion: v1\nkind: Secret\nmetadata: { name: ${name} }\ntype: kubernetes.io/tls\ndata:\n${data.join('')}`;
}

function certificateFor(name: string, issuer = root): ForgedCertificate {
  return forgeCertificate({
    issuer,
    commonName: name,
    names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from(name) }],
    namesCritical: false,
  });
}

function serialOf(certificate: ForgedCertificate): string {
  return new X509Certificate(certificate.certificatePem).serialNumber;
}

interface TlsAnswer {
  readonly serial: string;
  readonly alpn: string | false | null;
  /** Empty where the connection was refused. */
  readonly answer: string;
}

/** Which certificate is served is looked at by the tests. */
const checkServerIdentity = (): undefined => undefined;

/** One request on a connection of its own. Never rejects. */
function tlsCall(port: number, options: ConnectionOptions, headers: string): Promise<TlsAnswer> {
  return new Promise((resolve) => {
    let answer = '';
    let serial = '';
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, checkServerIdentity, ...options }, () => {
      serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
      const host = headers.startsWith('Host:') ? '' : `Host: ${options.servername ?? ''}\r\n`;
      const more = headers === '' ? '' : `${headers}\r\n`;
      if (socket.alpnProtocol === 'h2') socket.end();
      else socket.write(`GET /secure HTTP/1.1\r\n${host}${more}Connection: close\r\n\r\n`);
    });
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve({ serial, alpn: socket.alpnProtocol, answer }));
  });
}

async function listening(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
