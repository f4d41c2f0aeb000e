import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClientCertificateConfig } from '../config/http-connection-manager-config.js';
import { HeaderMap } from './header-map.js';
import type { RequestHead } from './message-head.js';
import type { CertificateInfo, TlsInfo } from './tls-info.js';
import {
  clientCertificateText,
  forwardClientCertificate,
  type ClientCertificateSource,
} from './client-certificate-header.js';

const ALL = ['cert', 'subject', 'uri', 'dns'] as const;
const CLAIM = 'By=spiffe://td/x;URI=spiffe://td/ns/a/sa/admin';

describe('x-forwarded-client-cert', () => {
  it('tells of the client what is asked for, in the form and order of Envoy', () => {
    const tls = mutual({
      uriSans: ['spiffe://td/ns/a/sa/web'],
      dnsSans: ['web.a', 'web'],
      subject: 'CN=web,O=A',
    });
    assert.equal(
      clientCertificateText(tls, { forward: 'sanitize-set', details: ALL }),
      'By=spiffe://td/ns/b/sa/us;Hash=ab12;Cert="a%2B%2F%3D%20%0A";Subject="CN=web,O=A";' +
        'URI=spiffe://td/ns/a/sa/web;DNS=web.a;DNS=web',
    );
    assert.equal(
      clientCertificateText(tls, { forward: 'append-forward', details: [] }),
      'By=spiffe://td/ns/b/sa/us;Hash=ab12',
    );
    assert.equal(
      clientCertificateText(mutual({ uriSans: [] }), {
        forward: 'sanitize-set',
        details: ['subject', 'uri'],
      }),
      'By=spiffe://td/ns/b/sa/us;Hash=ab12;Subject="";URI=',
    );
  });

  it('says nothing where there is no certificate, or nothing is to be said', () => {
    const details: ClientCertificateConfig['details'] = ALL;
    assert.equal(clientCertificateText(undefined, { forward: 'sanitize-set', details }), '');
    assert.equal(
      clientCertificateText({ ...mutual(), peer: undefined }, { forward: 'sanitize-set', details }),
      '',
    );
    for (const forward of ['sanitize', 'forward-only', 'always-forward-only'] as const) {
      assert.equal(clientCertificateText(mutual(), { forward, details }), '');
    }
    assert.equal(clientCertificateText(mutual(), undefined), '');
  });

  it('lets no name stand for another part of the field', () => {
    const tls = mutual({
      uriSans: ['https://x/;URI=spiffe://td/ns/a/sa/admin,By="y"'],
      dnsSans: ['a;Hash=00'],
      subject: 'CN=a\\"\\;URI\\=x',
    });
    assert.equal(
      clientCertificateText(tls, { forward: 'sanitize-set', details: ['uri', 'dns'] }),
      'By=spiffe://td/ns/b/sa/us;Hash=ab12;URI="https://x/;URI=spiffe://td/ns/a/sa/admin,By=\\"y\\"";DNS="a;Hash=00"',
    );
  });

  const cases: ReadonlyArray<
    readonly [ClientCertificateConfig['forward'] | undefined, 'plain' | 'mutual', string | undefined]
  > = [
    [undefined, 'mutual', undefined],
    ['sanitize', 'mutual', undefined],
    ['sanitize', 'plain', undefined],
    ['forward-only', 'plain', undefined],
    ['forward-only', 'mutual', CLAIM],
    ['append-forward', 'plain', undefined],
    ['append-forward', 'mutual', `${CLAIM},OURS`],
    ['sanitize-set', 'plain', undefined],
    ['sanitize-set', 'mutual', 'OURS'],
    ['always-forward-only', 'plain', CLAIM],
    ['always-forward-only', 'mutual', CLAIM],
  ];
  for (const [forward, connection, expected] of cases) {
    it(`that a client claims over ${connection} is ${expected === undefined ? 'removed' : 'sent on'} by ${forward ?? 'default'}`, () => {
      const headers = new HeaderMap();
      headers.append('x-forwarded-client-cert', CLAIM);
      const info = {
        tls: connection === 'mutual' ? mutual() : undefined,
        ...(connection === 'mutual' ? { clientCertificateText: 'OURS' } : {}),
      } as ClientCertificateSource;
      const config = forward === undefined ? undefined : { forward, details: [] };
      forwardClientCertificate({ headers } as RequestHead, info, config);
      assert.equal(headers.joined('x-forwarded-client-cert'), expected);
    });
  }

  it('is added where the client sent none', () => {
    const headers = new HeaderMap();
    const info = { tls: mutual(), clientCertificateText: 'OURS' } as ClientCertificateSource;
    forwardClientCertificate({ headers } as RequestHead, info, { forward: 'append-forward', details: [] });
    assert.equal(headers.joined('x-forwarded-client-cert'), 'OURS');
  });
});

function mutual(peer: Partial<CertificateInfo> = {}): TlsInfo {
  return {
    version: 'TLSv1.3',
    cipherSuite: '',
    serverName: '',
    applicationProtocol: '',
    resumed: false,
    peer: certificate(peer),
    local: certificate({ uriSans: ['spiffe://td/ns/b/sa/us'] }),
  };
}

function certificate(changes: Partial<CertificateInfo>): CertificateInfo {
  return {
    uriSans: ['spiffe://td/ns/a/sa/web'],
    dnsSans: [],
    subject: '',
    issuer: '',
    serialHex: '',
    sha256Hex: 'ab12',
    notBeforeMs: 0,
    notAfterMs: 0,
    pem: () => 'a+/= \n',
    ...changes,
  };
}
