import assert from 'node:assert/strict';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import {
  forgeCertificate,
  forgeRoot,
  GeneralNameTag,
  uriName,
  type ForgedCertificate,
} from '@heddle/certs/testing';
import {
  FILTERS,
  ProxyUnderAttack,
  rbacFilter,
  routeTo,
  type AttackedListener,
} from './proxy-under-attack.js';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const root = forgeRoot('root');
const dnsName = (text: string) => ({ tag: GeneralNameTag.dnsName, octets: Buffer.from(text, 'latin1') });
const workload = (account: string): ForgedCertificate =>
  forgeCertificate({ issuer: root, names: [uriName(`spiffe://td/ns/default/sa/${account}`)] });
const server = workload('server');

const material = (own: ForgedCertificate): object => ({
  certificate_chain: { inline_string: own.certificatePem },
  private_key: { inline_string: own.keyPem },
});

/** TLS as a sidecar's server side has it. */
const CHAIN = {
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TLS}.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [material(server)],
        validation_context: {
          trusted_ca: { inline_string: root.certificatePem },
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://td/' } }],
        },
      },
    },
  },
};
const FORWARDING = {
  forward_client_cert_details: 'SANITIZE_SET',
  set_current_client_cert_details: { uri: true, dns: true, subject: true },
};
const mutual: AttackedListener = { chain: CHAIN, manager: FORWARDING };

/** Asks over TLS, and gives all that came back. */
function ask(
  port: number,
  own: ForgedCertificate,
  head = '',
  options: ConnectionOptions = {},
): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectTls({
      ...{ host: '127.0.0.1', port, ca: root.certificatePem, cert: own.certificatePem, key: own.keyPem },
      ...{ checkServerIdentity: () => undefined, ...options },
    });
    socket.on('secureConnect', () =>
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${head}Connection: close\r\n\r\n`),
    );
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

describe('what certificates are made to say', () => {
  let proxy: ProxyUnderAttack;
  before(async () => {
    proxy = await ProxyUnderAttack.start({
      listeners: {
        mutual,
        // A rule that denies everybody whose identity ends so.
        denies: {
          chain: CHAIN,
          filters: [
            {
              ...rbacFilter('DENY', { any: true }),
              typed_config: {
                '@type': `${FILTERS}.http.rbac.v3.RBAC`,
                rules: {
                  action: 'DENY',
                  policies: {
                    policy: {
                      permissions: [{ any: true }],
                      principals: [{ authenticated: { principal_name: { suffix: '/sa/villain' } } }],
                    },
                  },
                },
              },
            },
          ],
        },
        // Plain text only where nobody says TLS.
        inspected: {
          routes: [routeTo('h1')],
          listener: {
            listener_filters: [
              {
                name: 'envoy.filters.listener.tls_inspector',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
                },
              },
            ],
          },
          chain: { ...CHAIN, filter_chain_match: { transport_protocol: 'tls' } },
        },
      },
    });
  });
  after(() => proxy.close());

  for (const [row, what, names] of [
    ['1.5', 'a line break in a URI (CVE-2023-27493)', [uriName('spiffe://td/a\r\nx-admin: yes')]],
    [
      '1.5',
      'a line break in a DNS name (CVE-2023-27493)',
      [uriName('spiffe://td/a'), dnsName('a\r\nx-admin: yes')],
    ],
    ['1.27', 'a NUL in a URI (CVE-2025-66220)', [uriName('spiffe://td/ns/default/sa/server\0.evil')]],
    ['1.27', 'a NUL in a DNS name (CVE-2021-44532)', [uriName('spiffe://td/a'), dnsName('server\0.evil')]],
    ['1.27', 'an identity in a DNS name', [dnsName('spiffe://td/ns/default/sa/server')]],
    ['1.27', 'a list of names in one (CVE-2021-44533)', [dnsName('x, URI:spiffe://td/ns/default/sa/server')]],
  ] as const) {
    it(`${row} ${what}: the client is refused, and nothing reaches the upstream`, async () => {
      const own = forgeCertificate({ issuer: root, names: [...names] });
      assert.doesNotMatch(await ask(proxy.port('mutual'), own), /HTTP\/1\.1 200/);
      assert.deepEqual(proxy.received(), []);
    });
  }

  it('1.27 commas and quotes in a name stay within that name of the header', async () => {
    const own = forgeCertificate({
      issuer: root,
      names: [uriName('spiffe://td/ns/default/sa/web'), dnsName('a",URI=spiffe://td/admin;By="b')],
    });
    assert.match(await ask(proxy.port('mutual'), own), /HTTP\/1\.1 200/);
    const [request] = proxy.received();
    const [[, value] = ['', '']] =
      request?.fields.filter(([name]) => name === 'x-forwarded-client-cert') ?? [];
    // Quoted parts taken out, what is left has one identity.
    const bare = value.replace(/"(?:[^"\\]|\\.)*"/g, '""');
    assert.deepEqual(bare.match(/URI=[^;,]*/g), ['URI=spiffe://td/ns/default/sa/web'], value);
  });

  it('1.20 what a client says of a certificate is replaced by what it has shown', async () => {
    const forged = 'By=spiffe://td/a;URI=spiffe://td/admin';
    assert.match(
      await ask(proxy.port('mutual'), workload('web'), `X-Forwarded-Client-Cert: ${forged}\r\n`),
      /HTTP\/1\.1 200/,
    );
    const [request] = proxy.received();
    const values = request?.fields
      .filter(([name]) => name === 'x-forwarded-client-cert')
      .map(([, value]) => value);
    assert.equal(values?.length, 1);
    assert.match(values?.[0] ?? '', /URI=spiffe:\/\/td\/ns\/default\/sa\/web/);
    assert.doesNotMatch(values?.[0] ?? '', /admin/);
  });

  it('1.26 a rule that denies by the end of an identity denies (CVE-2020-16844)', async () => {
    assert.match(await ask(proxy.port('denies'), workload('villain')), /HTTP\/1\.1 403/);
    assert.deepEqual(proxy.received(), []);
    assert.match(await ask(proxy.port('denies'), workload('web')), /HTTP\/1\.1 200/);
    assert.equal(proxy.received().length, 1);
  });

  it('1.28 a certificate for other purposes than TLS of a client is refused (CVE-2022-21657)', async () => {
    const own = forgeCertificate({
      issuer: root,
      names: [uriName('spiffe://td/ns/default/sa/web')],
      purposes: ['serverAuth'],
    });
    assert.doesNotMatch(await ask(proxy.port('mutual'), own), /HTTP\/1\.1 200/);
    assert.deepEqual(proxy.received(), []);
  });

  for (const versions of [
    { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
  ] as const) {
    it(`1.29 a client that speaks ${versions.minVersion} only is known as TLS, and has to say who it is (CVE-2020-8660)`, async () => {
      assert.match(await ask(proxy.port('inspected'), workload('web'), '', versions), /HTTP\/1\.1 200/);
      assert.equal(proxy.received().length, 1);
      const nobody = { ...versions, cert: undefined, key: undefined } as unknown as ConnectionOptions;
      assert.doesNotMatch(await ask(proxy.port('inspected'), workload('web'), '', nobody), /HTTP\/1\.1 200/);
      assert.deepEqual(proxy.received(), []);
    });
  }

  it('1.40 a server name cannot end a line of the log (CVE-2024-45808)', async () => {
    await ask(proxy.port('mutual'), workload('web'), 'User-Agent: last\r\n', {
      servername: 'a\n{"forged":"1"}',
    });
    const lines = (await proxy.log(/"last"/)).split('\n').filter((line) => line !== '');
    for (const line of lines) assert.equal((JSON.parse(line) as { forged?: string }).forged, undefined);
    proxy.received();
  });
});
