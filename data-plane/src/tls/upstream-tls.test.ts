import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createPlainServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { FakeClock } from '@heddle/common';
import { GeneralNameTag } from '@heddle/certs/testing';
import {
  NO_PEER_RULES,
  type AccessLogConfig,
  type ClusterConfig,
  type UpstreamTlsConfig,
} from '@heddle/engine';
import {
  RawClient,
  TestProxy,
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  routeConfig,
  startBackend,
} from '../testing/proxy-under-test.js';
import {
  TestTls,
  clientTls,
  forgeCertificate,
  forgeRoot,
  forgeWorkload,
  identity,
  materialOf,
  uriName,
  type ForgedCertificate,
  type ForgeOptions,
} from '../testing/tls-under-test.js';

const root = forgeRoot('root');
const foreign = forgeRoot('foreign');
const client = forgeWorkload('client', root);
const server = forgeWorkload('server', root);
const hour = 3_600_000;

/** An HTTPS server of Node's own, and what it saw. */
interface Upstream {
  readonly port: number;
  readonly seen: {
    readonly names: string[];
    readonly resumed: boolean[];
    readonly alpn: string[];
    requests: number;
  };
  use(options: TlsOptions): void;
  close(): Promise<void>;
}

describe('TLS with hosts', () => {
  let tls: TestTls;
  let proxy: TestProxy;
  const upstreams: { close(): Promise<void> }[] = [];

  beforeEach(() => {
    tls = new TestTls().use(client, root);
    proxy = new TestProxy({ tls });
  });
  afterEach(async () => {
    await proxy.close();
    for (const upstream of upstreams.splice(0)) await upstream.close();
  });

  async function serve(certificate: ForgedCertificate, options: TlsOptions = {}): Promise<Upstream> {
    const upstream = await startHttps({
      ...materialOf(certificate),
      ca: root.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
      ...options,
    });
    upstreams.push(upstream);
    return upstream;
  }

  async function forwardTo(
    port: number,
    socket: UpstreamTlsConfig = clientTls(),
    more: Partial<ClusterConfig> = {},
  ): Promise<void> {
    const problems = proxy.clusters.apply(
      [clusterConfig('backend', [endpoint(port)], { transportSocket: socket, ...more })],
      [],
    );
    assert.deepEqual(problems, []);
    await proxy.listeners.apply(
      [
        listenerConfig(
          managerConfig(routeConfig([forwardRoute('/', 'backend')]), { accessLogs: [proxy.accessLog(LOG)] }),
        ),
      ],
      [],
    );
  }

  async function ask(): Promise<string> {
    const http = new RawClient(proxy.port());
    http.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    const text = await http.untilEnd();
    http.close();
    return text;
  }

  /** Asks on a connection of its own to the host. */
  async function askAnew(): Promise<string> {
    const text = await ask();
    proxy.clusters.cluster('backend')?.drainConnections();
    return text;
  }

  const lastLine = async (): Promise<Record<string, unknown>> =>
    (await proxy.logLines()).at(-1) as Record<string, unknown>;

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    it(`sends requests to a workload of the right identity, by ${version}, with its own certificate`, async () => {
      const upstream = await serve(server, { minVersion: version, maxVersion: version });
      await forwardTo(upstream.port);
      assert.match(await ask(), /200 OK.*spiffe:\/\/td\/ns\/default\/sa\/client$/s);
      assert.deepEqual(upstream.seen.names, ['outbound_.80_._.server']);
      assert.equal(proxy.counter('cluster.ssl.handshake'), 1);
      assert.equal(proxy.counter(`cluster.ssl.versions.${version}`), 1);
    });
  }

  const refused: ReadonlyArray<readonly [string, () => ForgedCertificate, RegExp, string]> = [
    [
      'of another root',
      () => forgeWorkload('server', foreign),
      /unable to get local issuer certificate/,
      'error',
    ],
    [
      'that signed itself',
      () => forgeCertificate({ names: [uriName(identity('server'))], commonName: 'x' }),
      /self signed/,
      'error',
    ],
    ['whose certificate expired', () => forge({ notAfterMs: Date.now() - 5000 }), /expired/, 'error'],
    ['whose time has not come', () => forge({ notBeforeMs: Date.now() + hour }), /not (yet )?valid/, 'error'],
    [
      'of another identity',
      () => forgeWorkload('other', root),
      /sa\/other, which is not accepted here/,
      'san',
    ],
    [
      'of another trust domain',
      () => forge({ names: [uriName('spiffe://other/ns/default/sa/server')] }),
      /other-trust-domain/,
      'san',
    ],
    [
      'with two URI names',
      () => forge({ names: [uriName(identity('server')), uriName(identity('admin'))] }),
      /several-uri-names/,
      'error',
    ],
    [
      'with the certificate of an authority',
      () => forge({ ca: true, keyUsage: [0, 5] }),
      /ca-certificate|purpose/,
      'error',
    ],
    [
      'with a NUL in its name',
      () => forge({ names: [uriName(`${identity('server')}\0.evil`)] }),
      /not printable/,
      'error',
    ],
    [
      'with a look-alike in its name',
      () => forge({ names: [uriName(identity('serv\u00e9r'))] }),
      /not printable/,
      'error',
    ],
    [
      'with the identity in a DNS name',
      () => forge({ names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from(identity('server')) }] }),
      /no-uri-name/,
      'error',
    ],
    [
      'for clients only',
      () => forge({ purposes: ['clientAuth'] }),
      /unsupported certificate purpose|no-server-auth/,
      'error',
    ],
  ];
  for (const [what, certificate, reason, counter] of refused) {
    it(`sends nothing to a server ${what}, and says why`, async () => {
      const upstream = await serve(certificate());
      await forwardTo(upstream.port);
      assert.match(await ask(), /^HTTP\/1\.1 503 /);
      const line = await lastLine();
      assert.equal(line['response_flags'], 'UF');
      const failure = String(line['upstream_transport_failure_reason']);
      assert.match(failure, reason);
      assert.match(
        failure,
        /^TLS_error:\|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:/,
      );
      assert.equal(upstream.seen.requests, 0);
      assert.equal(proxy.counter(`cluster.ssl.fail_verify_${counter}`), 1);
      assert.equal(proxy.counter('cluster.ssl.connection_error'), 1);
      assert.equal(proxy.counter('cluster.upstream_cx_connect_fail'), 1);
    });
  }

  it('says why a server does not take its own certificate', async () => {
    const upstream = await serve(server);
    tls.use(forgeWorkload('client', foreign));
    await forwardTo(upstream.port, clientTls({ certificates: [] }));
    assert.match(await ask(), /^HTTP\/1\.1 503 /);
    const line = await lastLine();
    assert.equal(line['response_flags'], 'UC');
    assert.match(
      String(line['upstream_transport_failure_reason']),
      /^TLS_error:\|268436572:.*TLSV1_ALERT_CERTIFICATE_REQUIRED:TLS_error_end$/,
    );
  });

  it('says that there is no TLS where a server speaks plain text', async () => {
    const plain = createServer((_request, response) => response.end('x'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    await forwardTo((plain.address() as AddressInfo).port);
    assert.match(await ask(), /^HTTP\/1\.1 503 /);
    assert.match(
      String((await lastLine())['upstream_transport_failure_reason']),
      /WRONG_VERSION_NUMBER|PACKET_LENGTH/,
    );
    plain.closeAllConnections();
    await new Promise((resolve) => plain.close(resolve));
  });

  it('gives a server that never ends its handshake no longer than the connect timeout', async () => {
    const { port, close } = await startSilent();
    upstreams.push({ close });
    await forwardTo(port, clientTls(), { connectTimeoutMs: 50 });
    assert.match(await ask(), /^HTTP\/1\.1 503 /);
    assert.equal(proxy.counter('cluster.upstream_cx_connect_timeout'), 1);
  });

  it('resumes its sessions with a host, and shakes hands in full again after five minutes', async () => {
    await proxy.close();
    const clock = new FakeClock(Date.now());
    proxy = new TestProxy({ tls, clock });
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    for (let i = 0; i < 3; i++) assert.match(await askAnew(), /200 OK/);
    assert.deepEqual(upstream.seen.resumed, [false, true, true]);
    assert.equal(proxy.counter('cluster.ssl.session_reused'), 2);
    clock.advance(5 * 60_000 + 1000);
    assert.match(await askAnew(), /200 OK/);
    assert.equal(upstream.seen.resumed.at(-1), false);
  });

  it('knows on a resumed connection whom it talks to', async () => {
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    await askAnew();
    await askAnew();
    assert.deepEqual(upstream.seen.resumed, [false, true]);
  });

  it('resumes no session with a host whose certificate has expired since', async () => {
    await proxy.close();
    const clock = new FakeClock(Date.now());
    proxy = new TestProxy({ tls, clock });
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    assert.match(await askAnew(), /200 OK/);
    clock.jumpWall(2 * hour);
    // OpenSSL's clock still says that it is valid: only ours refuses.
    assert.match(await askAnew(), /^HTTP\/1\.1 503 /);
    assert.equal(upstream.seen.resumed.includes(true), false);
    assert.match(
      String((await lastLine())['upstream_transport_failure_reason']),
      /the certificate expired at/,
    );
  });

  it('drops its sessions when its certificate or its trust changes', async () => {
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    await askAnew();
    tls.use(forgeWorkload('client', root));
    await askAnew();
    tls.use(undefined, root, foreign);
    await askAnew();
    await askAnew();
    assert.deepEqual(upstream.seen.resumed, [false, false, false, true]);
    tls.use(undefined, foreign);
    assert.match(await askAnew(), /^HTTP\/1\.1 503 /);
  });

  it('never offers a session to a host that has to be somebody else', async () => {
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    await askAnew();
    // The same address, from now on expected to be another workload: Node would not ask for its certificate on resumption.
    await forwardTo(upstream.port, clientTls({}, ['other']));
    assert.match(await askAnew(), /^HTTP\/1\.1 503 /);
    assert.equal(upstream.seen.requests, 1);
    await forwardTo(upstream.port, clientTls({ sni: 'another.name' }));
    await askAnew();
    assert.deepEqual(upstream.seen.resumed.at(-1), false);
  });

  it('keeps no session where it is told so', async () => {
    const upstream = await serve(server);
    await forwardTo(upstream.port, clientTls({ resumption: false }));
    await askAnew();
    await askAnew();
    assert.deepEqual(upstream.seen.resumed, [false, false]);
  });

  it('offers HTTP/2 to nobody where its cluster speaks HTTP/1.1', async () => {
    const upstream = await serve(server, { ALPNProtocols: ['h2', 'istio-h2', 'istio', 'http/1.1'] });
    await forwardTo(upstream.port, clientTls({ alpnProtocols: ['h2', 'istio-h2', 'http/1.1'] }));
    assert.match(await ask(), /200 OK/);
    assert.deepEqual(upstream.seen.alpn, ['http/1.1']);
  });

  it('verifies DNS names as browsers do: a wildcard stands for one label', async () => {
    const dns = (name: string): ForgeOptions => ({
      names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from(name) }],
      commonName: 'x',
    });
    const upstream = await serve(forgeCertificate({ issuer: root, ...dns('*.example.com') }));
    const asking = (name: string): UpstreamTlsConfig => {
      const names = [{ type: 'dns', matcher: { kind: 'exact', value: name, ignoreCase: false } }] as const;
      const base = clientTls();
      return clientTls({
        sni: name,
        validation: {
          ...base.validation,
          given: {
            ...(base.validation?.given as object),
            rules: { ...NO_PEER_RULES, subjectAltNames: names },
          } as never,
          fetched: base.validation?.fetched,
        },
      });
    };
    for (const [name, served] of [
      ['a.example.com', true],
      ['A.EXAMPLE.COM', true],
      ['a.b.example.com', false],
      ['example.com', false],
      ['aexample.com', false],
    ] as const) {
      await forwardTo(upstream.port, asking(name));
      assert.equal(/200 OK/.test(await askAnew()), served, name);
    }
  });

  it('talks to anybody where nothing is verified, as it is configured', async () => {
    const upstream = await serve(forgeWorkload('whoever', foreign), { requestCert: false });
    await forwardTo(upstream.port, clientTls({ validation: undefined, certificates: [] }));
    assert.match(await ask(), /200 OK/);
  });

  it('waits for its secrets before it is used', async () => {
    await proxy.close();
    tls = new TestTls();
    proxy = new TestProxy({ tls });
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    assert.equal(proxy.clusters.ready, false);
    tls.use(client, root);
    assert.equal(proxy.clusters.ready, true);
    assert.match(await ask(), /200 OK/);
  });

  it('fails requests, with the names of the secrets that are missing, once it has waited long enough', async () => {
    await proxy.close();
    const clock = new FakeClock(Date.now());
    proxy = new TestProxy({ tls: new TestTls(), clock });
    const upstream = await serve(server);
    const secret = { name: 'default', source: { kind: 'ads' }, initialFetchTimeoutMs: 15_000 } as const;
    const base = clientTls();
    await forwardTo(upstream.port, {
      ...base,
      certificates: [{ kind: 'fetched', secret }],
      validation: { given: base.validation?.given, fetched: { ...secret, name: 'ROOTCA' } },
    });
    assert.equal(proxy.clusters.ready, false);
    clock.advance(15_000);
    assert.equal(proxy.clusters.ready, true);
    assert.match(await ask(), /^HTTP\/1\.1 503 /);
    assert.match(
      String((await lastLine())['upstream_transport_failure_reason']),
      /secrets are missing: default, ROOTCA/,
    );
    assert.equal(proxy.counter('cluster.client_ssl_socket_factory.upstream_context_secrets_not_ready'), 1);
  });

  it('speaks TLS to hosts whose metadata say so, plain text to others, and changes with them', async () => {
    const upstream = await serve(server);
    const plain = await startBackend((_request, response) => response.end('plain'));
    upstreams.push(plain);
    const matches = {
      transportSocket: { kind: 'raw' },
      transportSocketMatches: [
        { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: clientTls() },
        { name: 'tlsMode-disabled', match: {}, transportSocket: { kind: 'raw' } },
      ],
    } as const;
    const metadata = { 'envoy.transport_socket_match': { tlsMode: 'istio' } };
    const use = (...endpoints: ReturnType<typeof endpoint>[]): void => {
      assert.deepEqual(proxy.clusters.apply([clusterConfig('backend', endpoints, matches)], []), []);
    };
    await forwardTo(upstream.port);
    use(endpoint(upstream.port, { metadata }), endpoint(plain.port));
    const answers = [await ask(), await ask(), await ask(), await ask()];
    assert.deepEqual(answers.map((text) => /plain$/.test(text)).sort(), [false, false, true, true]);
    assert.ok(answers.every((text) => /200 OK/.test(text)));
    // The same host from now on without TLS: no connection of before is used.
    use(endpoint(upstream.port));
    assert.doesNotMatch(await ask(), /spiffe/);
    use(endpoint(upstream.port, { metadata }));
    assert.match(await ask(), /200 OK.*spiffe/s);
  });

  it('fails no request while its certificate changes ten times under load', async () => {
    const upstream = await serve(server);
    await forwardTo(upstream.port);
    const answers: boolean[] = [];
    let done = false;
    const load = async (): Promise<void> => {
      while (!done) answers.push(/200 OK/.test(await ask()));
    };
    const loads = Array.from({ length: 8 }, load);
    for (let i = 0; i < 10; i++) {
      const before = answers.length;
      tls.use(forgeWorkload('client', root));
      while (answers.length < before + 20) await new Promise((resolve) => setImmediate(resolve));
      // Connections of the new certificate as well as of those before.
      if (i % 2 === 1) proxy.clusters.cluster('backend')?.drainConnections();
    }
    done = true;
    await Promise.all(loads);
    assert.deepEqual(answers.filter((ok) => !ok).length, 0);
    assert.ok(answers.length >= 200);
    assert.equal(proxy.counter('cluster.client_ssl_socket_factory.ssl_context_update_by_sds'), 10);
  });

  it('is not made of names without a root that could vouch for them', async () => {
    const upstream = await serve(server);
    tls.secrets.set('ROOTCA', { kind: 'trust', rootsPem: '', crlPem: '', rules: NO_PEER_RULES });
    await forwardTo(upstream.port, clientTls());
    assert.match(await ask(), /^HTTP\/1\.1 (503|404) /);
    assert.equal(upstream.seen.requests, 0);
    assert.ok(proxy.log.some(({ problem }) => /no root that could vouch/.test(String(problem))));
  });
});

const LOG: AccessLogConfig['format'] = {
  kind: 'json',
  fields: {
    response_flags: '%RESPONSE_FLAGS%',
    upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  },
  omitEmptyValues: false,
};

function forge(options: ForgeOptions): ForgedCertificate {
  return forgeWorkload('server', root, options);
}

async function startHttps(options: TlsOptions): Promise<Upstream> {
  const seen: Upstream['seen'] = { names: [], resumed: [], alpn: [], requests: 0 };
  const https = createTlsServer(options, (request: IncomingMessage, response: ServerResponse) => {
    seen.requests++;
    const socket = request.socket as TLSSocket;
    response.end(socket.getPeerX509Certificate()?.subjectAltName?.slice('URI:'.length) ?? '');
  });
  https.on('secureConnection', (socket) => {
    seen.names.push(String((socket as unknown as { servername: unknown }).servername));
    seen.resumed.push(socket.isSessionReused());
    seen.alpn.push(String(socket.alpnProtocol));
    socket.on('error', () => undefined);
  });
  https.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve));
  return {
    port: (https.address() as AddressInfo).port,
    seen,
    use: (changed) => https.setSecureContext(changed),
    close: () =>
      new Promise((resolve) => {
        https.closeAllConnections();
        https.close(() => resolve());
      }),
  };
}

async function startSilent(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const silent = createPlainServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  return {
    port: (silent.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        silent.close(() => resolve());
      }),
  };
}
