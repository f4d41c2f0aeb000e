import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CertificateInfo, TlsInfo } from '../http/tls-info.js';
import { emptyStreamInfo } from '../testing/stream-info-fixture.js';
import { compileOperator } from './operators.js';

describe('operators about TLS', () => {
  it('say who the peers of both connections are, and how they speak', () => {
    const info = { ...emptyStreamInfo(), downstreamTls: tls('storefront'), upstreamTls: tls('reviews') };
    assert.equal(read('DOWNSTREAM_PEER_URI_SAN', info), 'spiffe://td/sa/storefront');
    assert.equal(read('UPSTREAM_PEER_URI_SAN', info), 'spiffe://td/sa/reviews');
    assert.equal(read('DOWNSTREAM_LOCAL_URI_SAN', info), 'spiffe://td/sa/us');
    assert.equal(read('DOWNSTREAM_TLS_VERSION', info), 'TLSv1.3');
    assert.equal(read('UPSTREAM_TLS_CIPHER', info), 'TLS_AES_128_GCM_SHA256');
    assert.equal(read('DOWNSTREAM_PEER_SERIAL', info), '0a');
    assert.equal(read('DOWNSTREAM_PEER_CERT', info), 'PEM%0A');
    assert.equal(read('DOWNSTREAM_PEER_CERT_V_START', info), '1970-01-01T00:00:00.000Z');
    assert.equal(read('UPSTREAM_PEER_CERT_V_END', info, '%Y'), '1970');
    assert.equal(read('DOWNSTREAM_TRANSPORT_FAILURE_REASON', info), undefined);
  });

  it('say nothing of plain text, and of what a certificate does not have', () => {
    assert.equal(read('DOWNSTREAM_PEER_URI_SAN', emptyStreamInfo()), undefined);
    assert.equal(read('UPSTREAM_TLS_VERSION', emptyStreamInfo()), undefined);
    const info = { ...emptyStreamInfo(), downstreamTls: tls('storefront') };
    assert.equal(read('DOWNSTREAM_PEER_SUBJECT', info), undefined);
    assert.equal(read('DOWNSTREAM_PEER_DNS_SAN', info), undefined);
  });
});

function read(
  name: string,
  info: ReturnType<typeof emptyStreamInfo>,
  argument?: string,
): string | number | undefined {
  const compiled = compileOperator(name, argument, undefined, {});
  if ('problem' in compiled) throw new Error(compiled.problem);
  assert.equal(compiled.hasData, true);
  return compiled.read(info);
}

function tls(name: string): TlsInfo {
  return {
    version: 'TLSv1.3',
    cipherSuite: 'TLS_AES_128_GCM_SHA256',
    serverName: '',
    applicationProtocol: '',
    resumed: false,
    peer: certificate(name),
    local: certificate('us'),
  };
}

function certificate(name: string): CertificateInfo {
  return {
    uriSans: [`spiffe://td/sa/${name}`],
    dnsSans: [],
    subject: '',
    issuer: 'CN=root',
    serialHex: '0a',
    sha256Hex: 'ff',
    notBeforeMs: 0,
    notAfterMs: 1,
    pem: () => 'PEM\n',
  };
}
