import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { FakeClock } from '@heddle/common';
import { forgeCertificate, GeneralNameTag } from '@heddle/certs/testing';
import type { DownstreamTlsConfig, ListenerConfig } from '@heddle/engine';
import {
  TestProxy,
  eventually,
  listenerConfig,
  managerConfig,
  routeConfig,
  routeTo,
} from '../testing/proxy-under-test.js';
import {
  TestTls,
  askOverTls,
  certificateSecret,
  fetched,
  forgeRoot,
  forgeWorkload,
  identity,
  materialOf,
  realClientHello,
  serverTls,
  trustSecret,
  uriMatch,
  uriName,
  type ClientOutcome,
  type ForgedCertificate,
  type ForgeOptions,
} from '../testing/tls-under-test.js';

/** The first byte of a record that belongs to a handshake. */
const HANDSHAKE_RECORD = 22;

const root = forgeRoot('root');
const foreign = forgeRoot('foreign');
const server = forgeWorkload('server', root);

describe('TLS with clients', () => {
  let tls: TestTls;
  let proxy: TestProxy;

  beforeEach(() => {
    tls = new TestTls().use(server, root);
    proxy = new TestProxy({ tls });
  });
  afterEach(() => proxy.close());

  async function listen(
    config: DownstreamTlsConfig = serverTls(),
    more: Partial<ListenerConfig> = {},
    codecType: 'auto' | 'http1' = 'auto',
  ): Promise<number> {
    const base = listenerConfig(managerConfig(hello, { codecType }));
    const [chain] = base.filterChains;
    assert.ok(chain);
    const problems = await proxy.listeners.apply(
      [{ ...base, filterChains: [{ ...chain, transportSocket: config }], ...more }],
      [],
    );
    assert.deepEqual(problems, []);
    return proxy.port();
  }

  function ask(
    port: number,
    certificate?: ForgedCertificate,
    options: ConnectionOptions = {},
  ): Promise<ClientOutcome> {
    return askOverTls(port, { ca: root.certificatePem, ...materialOf(certificate), ...options });
  }

  const reasons = (): string[] =>
    proxy.log
      .filter(({ message }) => message === 'TLS with a client failed')
      .map(({ reason }) => String(reason));

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    it(`serves a workload that the mesh knows, by ${version}`, async () => {
      const port = await listen();
      const { text, version: spoken } = await ask(port, forgeWorkload('client', root), {
        minVersion: version,
        maxVersion: version,
      });
      assert.match(text, /200 OK.*hello$/s);
      assert.equal(spoken, version);
      assert.equal(proxy.counter('listener.ssl.handshake'), 1);
      assert.equal(proxy.counter(`listener.ssl.versions.${version}`), 1);
      assert.equal(proxy.counter('listener.ssl.connection_error'), 0);
    });
  }

  it('prefers TLS 1.3, and takes nothing below 1.2', async () => {
    const port = await listen();
    const client = forgeWorkload('client', root);
    assert.equal((await ask(port, client)).version, 'TLSv1.3');
    const old = await ask(port, client, {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    assert.equal(old.text, '');
    assert.match(reasons()[0] ?? '', /UNSUPPORTED_PROTOCOL/);
  });

  const hour = 3_600_000;
  const refused: ReadonlyArray<readonly [string, () => ForgedCertificate | undefined, RegExp, string]> = [
    ['without a certificate', () => undefined, /presented no certificate/, 'no_cert'],
    ['of another root', () => forgeWorkload('client', foreign), /no trusted root signed it/, 'error'],
    [
      'of a root of the same name',
      () => forgeWorkload('client', forgeRoot('root')),
      /unable|signature/,
      'error',
    ],
    ['that signed itself', () => forge({ issuer: undefined as never }), /self signed certificate/, 'error'],
    ['whose certificate expired', () => forge({ notAfterMs: Date.now() - 5000 }), /expired/, 'error'],
    ['whose time has not come', () => forge({ notBeforeMs: Date.now() + hour }), /not (yet )?valid/, 'error'],
    [
      'of another trust domain',
      () => forge({ names: [uriName('spiffe://other/ns/default/sa/client')] }),
      /other-trust-domain/,
      'san',
    ],
    [
      'with two URI names',
      () => forge({ names: [uriName(identity('client')), uriName(identity('admin'))] }),
      /several-uri-names/,
      'error',
    ],
    [
      'with the certificate of an authority',
      () => forge({ ca: true, keyUsage: [0, 5] }),
      /ca-certificate|unsupported certificate purpose/,
      'error',
    ],
    [
      'with a NUL in its name',
      () => forge({ names: [uriName(`${identity('client')}\0.evil`)] }),
      /\\x00\.evil" holds what is not printable/,
      'error',
    ],
    [
      'with a look-alike in its name',
      () => forge({ names: [uriName(identity('cli\u00e8nt'))] }),
      /cli\\xe8nt" holds what is not printable/,
      'error',
    ],
    [
      'with its trust domain in another case',
      () => forge({ names: [uriName('spiffe://TD/ns/default/sa/client')] }),
      /bad-trust-domain/,
      'error',
    ],
    [
      'with a path that climbs',
      () => forge({ names: [uriName('spiffe://td/ns/default/sa/x/../client')] }),
      /dot-path-segment/,
      'error',
    ],
    [
      'with the identity in a DNS name',
      () => forge({ names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from(identity('client')) }] }),
      /no-uri-name/,
      'error',
    ],
    [
      'for servers only',
      () => forge({ purposes: ['serverAuth'] }),
      /unsupported certificate purpose|no-client-auth/,
      'error',
    ],
    [
      'whose key usage is not critical',
      () => forge({ keyUsageCritical: false }),
      /key-usage-not-critical/,
      'error',
    ],
  ];
  for (const [what, certificate, reason, counter] of refused) {
    it(`refuses a client ${what}, and says so`, async () => {
      const port = await listen();
      const { text } = await ask(port, certificate());
      assert.equal(text, '');
      await eventually(() => reasons().length === 1);
      assert.match(reasons()[0] ?? '', reason);
      assert.match(reasons()[0] ?? '', /^TLS_error:\|268435581:.*CERTIFICATE_VERIFY_FAILED/);
      assert.equal(proxy.counter(`listener.ssl.fail_verify_${counter}`), 1);
      assert.equal(proxy.counter('listener.ssl.connection_error'), 1);
      assert.equal(proxy.counter('listener.ssl.handshake'), 0);
      assert.equal(proxy.counter('http.downstream_rq_total'), 0);
      assert.equal((await ask(port, forgeWorkload('client', root))).text.includes('hello'), true);
    });
  }

  it('refuses whom it refused also when that one comes back with a session', async () => {
    const port = await listen();
    const client = forgeWorkload('client', foreign);
    // With TLS 1.2 the session is there before anything is decided; with 1.3 tickets may have been sent.
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await ask(port, client, { maxVersion });
      const again = await ask(port, client, { maxVersion, session: first.session });
      assert.equal(first.text + again.text, '');
    }
    assert.equal(proxy.counter('listener.ssl.handshake'), 0);
  });

  it('refuses a client without a certificate that resumes, where a certificate is needed from now on', async () => {
    const optional = serverTls({ requireClientCertificate: false });
    const first = await ask(await listen(optional));
    assert.match(first.text, /hello/);
    assert.ok(first.session);
    const port = await listen(serverTls());
    assert.equal((await ask(port, undefined, { session: first.session })).text, '');
  });

  it('takes a client without a certificate where none is needed, and none that is wrong', async () => {
    const port = await listen(serverTls({ requireClientCertificate: false }));
    const first = await ask(port);
    assert.match(first.text, /hello/);
    assert.match((await ask(port, undefined, { session: first.session })).text, /hello/);
    assert.equal(proxy.counter('listener.ssl.no_certificate'), 2);
    const wrong = forgeWorkload('client', foreign);
    const refusedOnce = await ask(port, wrong);
    assert.equal(refusedOnce.text, '');
    assert.equal((await ask(port, wrong, { session: refusedOnce.session })).text, '');
    assert.equal((await ask(port, forge({ names: [uriName('spiffe://other/a')] }))).text, '');
  });

  it('asks no client for a certificate where none is verified', async () => {
    const port = await listen(serverTls({ validation: undefined, requireClientCertificate: false }));
    assert.match((await ask(port, forgeWorkload('client', foreign))).text, /hello/);
    assert.equal(proxy.counter('listener.ssl.no_certificate'), 1);
  });

  it('resumes sessions, and verifies the certificate again each time', async () => {
    const port = await listen();
    const client = forgeWorkload('client', root);
    const first = await ask(port, client);
    const second = await ask(port, client, { session: first.session });
    assert.deepEqual([first.resumed, second.resumed], [false, true]);
    assert.match(second.text, /hello/);
    assert.equal(proxy.counter('listener.ssl.session_reused'), 1);
  });

  it('refuses a session whose certificate has expired since', async () => {
    await proxy.close();
    const clock = new FakeClock(Date.now());
    proxy = new TestProxy({ tls, clock });
    const port = await listen();
    const client = forgeWorkload('client', root);
    const first = await ask(port, client);
    assert.match(first.text, /hello/);
    clock.jumpWall(2 * hour);
    const again = await ask(port, client, { session: first.session });
    assert.deepEqual([again.text, again.resumed], ['', true]);
    assert.match(reasons()[0] ?? '', /the certificate expired at/);
  });

  it('never resumes a session across a change of trust: who lost it is refused', async () => {
    const other = forgeRoot('other');
    tls.use(undefined, root, other);
    const port = await listen();
    const client = forgeWorkload('client', other);
    const first = await ask(port, client);
    assert.match(first.text, /hello/);
    tls.use(undefined, root);
    const again = await ask(port, client, { session: first.session });
    assert.deepEqual([again.text, again.resumed], ['', false]);
    assert.match(reasons()[0] ?? '', /no trusted root signed it/);
  });

  it('never resumes a session across a change of its own certificate', async () => {
    const port = await listen();
    const client = forgeWorkload('client', root);
    const first = await ask(port, client);
    tls.use(forgeWorkload('server', root));
    const again = await ask(port, client, { session: first.session });
    assert.equal(again.resumed, false);
    assert.match(again.text, /hello/);
  });

  it('resumes nothing where it is told so', async () => {
    const port = await listen(serverTls({ statelessResumption: false, statefulResumption: false }));
    const client = forgeWorkload('client', root);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await ask(port, client, { maxVersion });
      const again = await ask(port, client, { maxVersion, session: first.session });
      assert.equal(again.resumed, false);
      assert.match(again.text, /hello/);
    }
  });

  it('agrees on a protocol that both speak, on HTTP/2 only where that is spoken, and serves clients that know none', async () => {
    const config = serverTls({ alpnProtocols: ['h2', 'istio-h2', 'http/1.1'] });
    const client = forgeWorkload('client', root);
    const both = await ask(await listen(config), client, { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(both.alpn, 'h2');
    const port = await listen(config, {}, 'http1');
    const alpnOf = async (...ALPNProtocols: string[]): Promise<string> => {
      const { alpn, text } = await ask(port, client, { ALPNProtocols });
      assert.match(text, /hello/);
      return alpn;
    };
    assert.equal(await alpnOf('h2', 'http/1.1'), 'http/1.1');
    assert.equal(await alpnOf('istio-http/1.1', 'istio', 'http/1.1'), 'http/1.1');
    assert.equal(await alpnOf('istio'), '');
    assert.equal(await alpnOf('h2'), '');
    assert.match((await ask(port, client)).text, /hello/);
  });

  it('refuses clients that name no server where a name is needed', async () => {
    const port = await listen(serverTls({ requireSni: true }));
    const client = forgeWorkload('client', root);
    assert.equal((await ask(port, client)).text, '');
    assert.match(reasons()[0] ?? '', /named no server/);
    assert.match((await ask(port, client, { servername: 'a.example' })).text, /hello/);
  });

  it('shows the certificate of the name that the client asks for', async () => {
    const dns = (...names: string[]): ForgeOptions => ({
      names: names.map((name) => ({ tag: GeneralNameTag.dnsName, octets: Buffer.from(name) })),
      commonName: names[0] ?? '',
    });
    const a = forgeCertificate({ issuer: root, ...dns('a.example') });
    const b = forgeCertificate({ issuer: root, ...dns('*.b.example') });
    tls.secrets.set('default', certificateSecret(a));
    tls.secrets.set('other', certificateSecret(b));
    const port = await listen(
      serverTls({
        certificates: [
          { kind: 'fetched', secret: fetched('default') },
          { kind: 'fetched', secret: fetched('other') },
        ],
      }),
    );
    const client = forgeWorkload('client', root);
    const shown = async (servername: string): Promise<string> =>
      (await ask(port, client, { servername })).peerUri;
    assert.match(await shown('a.example'), /DNS:a\.example/);
    assert.match(await shown('x.b.example'), /DNS:\*\.b\.example/);
    assert.match(await shown('x.y.b.example'), /DNS:a\.example/);
    assert.match(await shown('nobody.example'), /DNS:a\.example/);
    // Whoever is chosen by name verifies clients as well.
    assert.equal((await ask(port, forgeWorkload('client', foreign), { servername: 'x.b.example' })).text, '');
    assert.equal((await ask(port, undefined, { servername: 'x.b.example' })).text, '');
  });

  it('accepts by the hash of a certificate or of its key, and nobody else', async () => {
    const known = forgeWorkload('client', root);
    const hash = await sha256(known.der);
    const port = await listen(serverTls());
    assert.match((await ask(port, known)).text, /hello/);
    tls.secrets.set(
      'ROOTCA',
      trustSecret([root], {
        subjectAltNames: [],
        publicKeyHashes: [],
        certificateHashes: [hash],
        spiffeTrustDomains: undefined,
      }),
    );
    assert.match((await ask(port, known)).text, /hello/);
    assert.equal((await ask(port, forgeWorkload('client', root))).text, '');
    assert.equal(proxy.counter('listener.ssl.fail_verify_cert_hash'), 1);
  });

  it('serves others while as many as may shake hands have stopped in the middle of it', async () => {
    const port = await listen();
    const hello = await realClientHello();
    const stopped = Array.from({ length: 40 }, () =>
      connectPlain(port, '127.0.0.1').on('error', () => undefined),
    );
    for (const socket of stopped) socket.write(hello);
    await eventually(() => proxy.counter('tls.handshakes_active') > 0);
    const startedAtMs = performance.now();
    const { text } = await ask(port, forgeWorkload('client', root));
    for (const socket of stopped) socket.destroy();
    assert.match(text, /hello/);
    // They have ten seconds each.
    assert.ok(performance.now() - startedAtMs < 8_000);
    await eventually(() => proxy.counter('tls.handshakes_active') === 0);
  });

  it('waits for its secrets before it serves, and connections wait with it', async () => {
    tls = new TestTls();
    await proxy.close();
    proxy = new TestProxy({ tls });
    const port = await listen();
    const answer = ask(port, forgeWorkload('client', root));
    await eventually(() => proxy.listeners.activeConnections === 1);
    assert.equal(proxy.listeners.ready, false);
    tls.use(server);
    assert.equal(proxy.listeners.ready, false);
    tls.use(undefined, root);
    assert.equal(proxy.listeners.ready, true);
    assert.match((await answer).text, /hello/);
  });

  it('goes on with what it has when it is given what cannot be used', async () => {
    const port = await listen();
    const client = forgeWorkload('client', root);
    tls.secrets.set('default', { ...certificateSecret(server), chainPem: 'nonsense' });
    assert.match((await ask(port, client)).text, /hello/);
    tls.secrets.set('default', {
      ...certificateSecret(server),
      privateKey: certificateSecret(forgeWorkload('x', root)).privateKey,
    });
    assert.match((await ask(port, client)).text, /hello/);
    const problems = proxy.log.filter(({ level }) => level === 'error');
    assert.equal(problems.length, 2);
    assert.doesNotMatch(JSON.stringify(problems), /PRIVATE KEY/);
  });

  it('has every connection in the access log of its listener, and why one was refused', async () => {
    const format = {
      kind: 'json',
      fields: {
        who: '%DOWNSTREAM_PEER_URI_SAN%',
        why: '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%',
        where: '%REQUESTED_SERVER_NAME%',
        received: '%BYTES_RECEIVED%',
      },
      omitEmptyValues: false,
    } as const;
    const port = await listen(serverTls(), { accessLogs: [proxy.accessLog(format)] });
    const servername = 'outbound_.80_._.server';
    await ask(port, forgeWorkload('client', root), { servername });
    await ask(port, forgeWorkload('client', foreign), { servername });
    await eventually(() => proxy.listeners.activeConnections === 0);
    const [served, refused] = await proxy.logLines();
    assert.deepEqual(
      [served?.['who'], served?.['why'], served?.['where']],
      [identity('client'), null, servername],
    );
    assert.ok(Number(served?.['received']) > 0);
    assert.deepEqual([refused?.['who'], refused?.['where']], [null, servername]);
    assert.match(String(refused?.['why']), /CERTIFICATE_VERIFY_FAILED.*no trusted root signed it/);
  });

  it('tells bytes that are not TLS from a peer that is refused', async () => {
    const port = await listen();
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve).resume());
    assert.match(reasons()[0] ?? '', /^TLS_error:\|268435612:.*:HTTP_REQUEST:TLS_error_end$/);
    assert.equal(proxy.counter('http.downstream_rq_total'), 0);
  });

  it('speaks plain text and TLS on one port where the chains say so', async () => {
    const base = listenerConfig(managerConfig(hello));
    const [chain] = base.filterChains;
    assert.ok(chain);
    const match = {
      destinationPort: undefined,
      prefixRanges: [],
      serverNames: [],
      directSourcePrefixRanges: [],
      sourceType: 'any',
      sourcePrefixRanges: [],
      sourcePorts: [],
    } as const;
    const port = await listen(serverTls(), {
      listenerFilters: [{ kind: 'tls-inspector', name: 'tls' }],
      filterChains: [
        {
          ...chain,
          match: { ...match, transportProtocol: 'tls', applicationProtocols: ['istio', 'istio-http/1.1'] },
          transportSocket: serverTls({ alpnProtocols: ['http/1.1'] }),
        },
        { ...chain, match: { ...match, transportProtocol: 'raw_buffer', applicationProtocols: [] } },
      ],
    });
    const client = forgeWorkload('client', root);
    const inMesh = { ALPNProtocols: ['istio-http/1.1', 'istio', 'http/1.1'] };
    assert.match((await ask(port, client, inMesh)).text, /hello/);
    assert.equal((await ask(port, undefined, inMesh)).text, '');
    // TLS of somebody else's is not for the chain of plain text.
    assert.equal((await ask(port, client)).text, '');
    const plain = connectPlain(port, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    let text = '';
    plain.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => plain.on('close', resolve));
    assert.match(text, /hello$/);
  });

  for (const inspects of [false, true]) {
    it(`is spoken behind a PROXY header, ${inspects ? 'looked at by a filter' : 'with nobody who looks at it before'}`, async () => {
      const port = await listen(serverTls(), {
        listenerFilters: [
          {
            kind: 'proxy-protocol',
            name: 'proxy',
            config: { allowsWithout: false, versions: [1, 2], statPrefix: '' },
          },
          ...(inspects ? [{ kind: 'tls-inspector', name: 'tls' } as const] : []),
        ],
      });
      const client = forgeWorkload('client', root);
      const hello = await realClientHello();
      for (const together of [false, true]) {
        const socket = connectPlain(port, '127.0.0.1');
        const header = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n';
        if (!together) {
          socket.write(header);
          assert.match((await ask(port, client, { socket })).text, /hello/);
        } else {
          // In one piece with the beginning of a handshake, which is answered.
          socket.write(Buffer.concat([Buffer.from(header), hello]));
          const [answer] = (await once(socket, 'data')) as [Buffer];
          assert.equal(answer[0], HANDSHAKE_RECORD);
          socket.destroy();
        }
      }
      assert.equal((await ask(port, client)).text, '', 'a connection without the header');
      assert.equal(proxy.counter('proxy_proto.versions.v1.found'), 2);
    });
  }

  it('is not made of a configuration that can never work', async () => {
    const base = listenerConfig(managerConfig(hello));
    const [chain] = base.filterChains;
    assert.ok(chain);
    const transportSocket = serverTls({
      certificates: [
        { kind: 'fetched', secret: { name: 'x', source: { kind: 'static' }, initialFetchTimeoutMs: 0 } },
      ],
      validation: {
        given: {
          trustedCa: { kind: 'file', path: '/nowhere/ca.pem', watchedDirectory: '' },
          systemRoots: false,
          crl: undefined,
          rules: {
            subjectAltNames: [uriMatch('prefix', 'spiffe://td/')],
            publicKeyHashes: [],
            certificateHashes: [],
            spiffeTrustDomains: undefined,
          },
        },
        fetched: undefined,
      },
    });
    const problems = await proxy.listeners.apply(
      [{ ...base, filterChains: [{ ...chain, transportSocket }] }],
      [],
    );
    assert.match(problems[0]?.message ?? '', /there is no secret "x" among the static ones/);
    assert.match(problems[1]?.message ?? '', /ENOENT/);
  });
});

const hello = routeConfig([routeTo('/', { kind: 'direct-response', status: 200, body: 'hello' })]);

function forge(options: ForgeOptions): ForgedCertificate {
  if ('issuer' in options) return forgeCertificate({ names: [uriName(identity('client'))], commonName: 'x' });
  return forgeWorkload('client', root, options);
}

async function sha256(der: Buffer): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', der)).toString('hex');
}
