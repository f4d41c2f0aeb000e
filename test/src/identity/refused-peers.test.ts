import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect, createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import {
  forgeCertificate,
  forgeRoot,
  GeneralNameTag,
  uriName,
  type ForgedCertificate,
  type ForgeOptions,
} from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { InteropMesh, type MeshProxy } from '../support/interop-mesh.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { WorkloadAgent } from '../support/workload-agent.js';

const HOUR_MS = 3_600_000;
const root = forgeRoot('mesh root');
const foreign = forgeRoot('foreign root');
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const certificateOf = (account: string, options: ForgeOptions = {}): ForgedCertificate =>
  forgeCertificate({ issuer: root, names: [uriName(identityOf(account))], ...options });
const named = (...uris: readonly string[]): ForgedCertificate =>
  forgeCertificate({ issuer: root, names: uris.map(uriName) });

interface Impostor {
  /** Completes "a client …" and "a server …". */
  readonly what: string;
  /** What it shows where `account` would be welcome. */
  readonly certificate: (account: string) => ForgedCertificate;
  readonly reason: RegExp;
  readonly stat: 'error' | 'san';
}

const impostors: readonly Impostor[] = [
  {
    what: 'whose certificate has expired',
    certificate: (account) => certificateOf(account, { notAfterMs: Date.now() - 5_000 }),
    reason: /expired/,
    stat: 'error',
  },
  {
    what: 'whose certificate is not valid yet',
    certificate: (account) => certificateOf(account, { notBeforeMs: Date.now() + HOUR_MS }),
    reason: /not (yet )?valid/,
    stat: 'error',
  },
  {
    what: 'of another trust domain',
    certificate: (account) => named(`spiffe://other.example/ns/default/sa/${account}`),
    reason: /other-trust-domain|which is not accepted here/,
    stat: 'san',
  },
  {
    what: 'of a trust domain that begins with the name of ours',
    certificate: (account) => named(`spiffe://cluster.local.evil.example/ns/default/sa/${account}`),
    reason: /other-trust-domain|which is not accepted here/,
    stat: 'san',
  },
  {
    what: 'with two URI names',
    certificate: (account) => named(identityOf(account), identityOf('admin')),
    reason: /several-uri-names/,
    stat: 'error',
  },
  {
    what: 'with the certificate of an authority',
    certificate: (account) => certificateOf(account, { ca: true, keyUsage: [0, 5] }),
    reason: /ca-certificate|purpose/,
    stat: 'error',
  },
  {
    what: 'with a NUL in its name',
    certificate: (account) => named(`${identityOf(account)}\0.evil`),
    reason: /\\x00.*not printable/,
    stat: 'error',
  },
  {
    what: 'with a look-alike in its name',
    certificate: (account) => named(identityOf(account.replace('e', '\u00e8'))),
    reason: /\\xe8.*not printable/,
    stat: 'error',
  },
  {
    what: 'with its trust domain in another case',
    certificate: (account) => named(`spiffe://Cluster.Local/ns/default/sa/${account}`),
    reason: /bad-trust-domain/,
    stat: 'error',
  },
  {
    what: 'with a path that climbs',
    certificate: (account) => named(`spiffe://cluster.local/ns/default/sa/x/../${account}`),
    reason: /dot-path-segment/,
    stat: 'error',
  },
  {
    what: 'of an unknown root',
    certificate: (account) => certificateOf(account, { issuer: foreign }),
    reason: /no trusted root signed it|unable to get local issuer/,
    stat: 'error',
  },
  {
    what: 'of an unknown root with the name of ours',
    certificate: (account) => certificateOf(account, { issuer: forgeRoot('mesh root') }),
    reason: /signature|unable/,
    stat: 'error',
  },
  {
    what: 'that signed its certificate itself',
    certificate: (account) => forgeCertificate({ names: [uriName(identityOf(account))], commonName: 'x' }),
    reason: /self signed/,
    stat: 'error',
  },
  {
    what: 'with its identity in a DNS name alone',
    certificate: (account) =>
      certificateOf(account, {
        names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from(identityOf(account)) }],
      }),
    reason: /no-uri-name/,
    stat: 'error',
  },
];

/** Two running sidecars of a STRICT mesh: one is called by impostors, the other calls them. */
describe('running sidecars, of peers that are nobody,', () => {
  let mesh: InteropMesh;
  let called: MeshProxy;
  let calling: MeshProxy;
  const closing: { close(): unknown }[] = [];
  const ports = { called: 0, outbound: 0 };
  let reached = 0;
  const application = createServer((_request, response) => {
    reached++;
    response.end('reviews');
  });
  let server: ImpostorServer;

  before(async () => {
    const applicationPort = await listening(application);
    server = new ImpostorServer();
    ports.called = await freePort();
    ports.outbound = await freePort();
    const agents = await Promise.all(
      ['reviews', 'caller'].map((account) => WorkloadAgent.start(root, identityOf(account))),
    );
    closing.push(...agents, server);
    mesh = await InteropMesh.start({ 'mesh.yaml': meshYaml(await server.listen()) });
    const nothing = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
    const inbound = { name: 'http', port: 9080, listen: ports.called, application: applicationPort };
    called = await mesh.startProxy(heddleProxy(), {
      role: 'sidecar',
      name: 'reviews',
      labels: { app: 'reviews' },
      sdsPort: agents[0]?.port ?? 0,
      explicit: { ...nothing, inbound: [inbound] },
    });
    calling = await mesh.startProxy(heddleProxy(), {
      role: 'sidecar',
      name: 'caller',
      labels: { app: 'caller' },
      sdsPort: agents[1]?.port ?? 0,
      explicit: { ...nothing, outbound: { 'backend.default.svc.cluster.local:80': ports.outbound } },
    });
    await mesh.synced();
  });
  after(async () => {
    await mesh?.close();
    for (const one of closing) one.close();
    application.close();
    application.closeAllConnections();
  });

  /** What the called sidecar says to a client from here, and what it writes of it. */
  async function callAs(client: ForgedCertificate | undefined, reason: RegExp, stat: string): Promise<void> {
    const counted = await statOf(called, 'listener', stat);
    const written = called.program.output.length;
    const served = reached;
    // Refusals are written as many as ten a second.
    await eventually(
      async () => {
        assert.equal(await askOverTls(ports.called, client), '');
        return reason.test(reasonsIn(called.program.output.slice(written)));
      },
      () => `no such reason in ${called.program.output.slice(written)}`,
    );
    assert.ok((await statOf(called, 'listener', stat)) > counted);
    assert.equal(reached, served);
  }

  for (const { what, certificate, reason, stat } of impostors) {
    it(`refuse a client ${what}, and log why`, () => callAs(certificate('caller'), reason, stat));
  }

  it('refuse a client without a certificate, and log why', () =>
    callAs(undefined, /presented no certificate/, 'no_cert'));

  it('refuse a client in plain text under STRICT, and log why', async () => {
    const written = called.program.output.length;
    await eventually(
      async () => {
        assert.equal((await httpCall(ports.called, '/')).status, 0);
        return reasonsIn(called.program.output.slice(written)).includes('HTTP_REQUEST');
      },
      () => called.program.output,
    );
    assert.equal(reached, 0);
  });

  it('serve a client that is somebody, after all of these', async () => {
    assert.match(await askOverTls(ports.called, certificateOf('caller')), /200 OK.*reviews$/s);
    await eventually(
      async () => (await mesh.lastLogLine('reviews'))['downstream_peer_uri_san'] === identityOf('caller'),
      () => 'the log does not say who called',
    );
  });

  /** Has the sidecar call the server: it must send nothing, and say why in its access log. */
  async function isNotCalled(reason: RegExp): Promise<void> {
    const { status, body } = await httpCall(ports.outbound, '/');
    assert.equal(status, 503, body);
    assert.equal(server.heardBytes, 0);
    let line: Readonly<Record<string, unknown>> = {};
    await eventually(
      async () => {
        line = await mesh.lastLogLine('caller');
        return reason.test(String(line['upstream_transport_failure_reason']));
      },
      () => `no such reason in ${JSON.stringify(line)}`,
    );
    assert.match(String(line['response_flags']), /UF/);
  }

  for (const { what, certificate, reason, stat } of impostors) {
    it(`send nothing to a server ${what}, and log why`, async () => {
      const counted = await statOf(calling, 'cluster', stat);
      server.show(certificate('backend'));
      await isNotCalled(reason);
      assert.ok((await statOf(calling, 'cluster', stat)) > counted);
    });
  }

  it('send nothing to a server that is another workload of the mesh, and log why', async () => {
    server.show(certificateOf('admin'));
    await isNotCalled(/sa\/admin, which is not accepted here/);
  });

  it('send nothing to a server without TLS, and log why', async () => {
    server.showNothing();
    await isNotCalled(/WRONG_VERSION_NUMBER/);
  });

  it('call a server that is who it should be, after all of these', async () => {
    server.show(certificateOf('backend'));
    assert.equal((await httpCall(ports.outbound, '/')).status, 200);
    assert.ok(server.heardBytes > 0);
  });
});

/** A server that shows whatever certificate a test wants, and counts what it is told inside TLS. */
class ImpostorServer {
  heardBytes = 0;
  readonly #sockets = new Set<Socket>();
  readonly #tls = createTlsServer({ requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      this.heardBytes += chunk.length;
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
    socket.on('error', () => undefined);
  });
  readonly #tcp = createTcpServer((socket) => {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    if (this.#speaksTls) this.#tls.emit('connection', socket);
    else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  });
  #speaksTls = true;

  constructor() {
    this.#tls.on('tlsClientError', () => undefined);
  }

  async listen(): Promise<number> {
    return listening(this.#tcp);
  }

  /** From now on, to everybody who connects. */
  show({ certificatePem: cert, keyPem: key }: ForgedCertificate): void {
    this.#renew(true);
    this.#tls.setSecureContext({ cert, key, ca: root.certificatePem } satisfies SecureContextOptions);
  }

  showNothing(): void {
    this.#renew(false);
  }

  close(): void {
    this.#renew(false);
    this.#tcp.close();
  }

  #renew(speaksTls: boolean): void {
    this.#speaksTls = speaksTls;
    this.heardBytes = 0;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** The reasons in what a proxy logged, one a line. */
function reasonsIn(output: string): string {
  return output
    .split('\n')
    .filter((line) => line.includes('TLS with a client failed'))
    .map((line) => (JSON.parse(line) as { readonly reason: string }).reason)
    .join('\n');
}

/** The sum of a counter over the listeners or clusters of a proxy. */
async function statOf(
  { adminPort }: MeshProxy,
  owner: 'listener' | 'cluster',
  stat: string,
): Promise<number> {
  const { body } = await httpCall(adminPort, '/stats?filter=fail_verify');
  const pattern = new RegExp(`^${owner}\\..*\\.ssl\\.fail_verify_${stat}: (\\d+)$`, 'gm');
  return [...body.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** What is answered to a request over TLS; empty: nothing, and the connection was closed. Never rejects. */
function askOverTls(port: number, certificate: ForgedCertificate | undefined): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const own =
      certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem };
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: root.certificatePem,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ['istio-http/1.1'],
      ...own,
    });
    socket.once('secureConnect', () =>
      socket.write('GET / HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n'),
    );
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function meshYaml(backendPort: number): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { selector: { app: backend }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: backend-0 }
spec:
  address: 127.0.0.1
  ports: { http: ${backendPort} }
  labels: { app: backend, security.istio.io/tlsMode: istio }
  serviceAccount: backend
`;
}
