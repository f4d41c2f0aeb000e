import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { certificateService, istio, sdsService } from './index.js';

const { CreateCertificate } = certificateService;

describe('the certificate service definition', () => {
  it("has Istio's path and field numbers", () => {
    assert.equal(CreateCertificate.path, '/istio.v1.auth.IstioCertificateService/CreateCertificate');
    assert.ok(!CreateCertificate.requestStream && !CreateCertificate.responseStream);
    const request = CreateCertificate.requestSerialize({
      csr: 'a',
      validityDuration: 10,
      metadata: { fields: { b: { boolValue: true } } },
    });
    assert.equal(request.toString('hex'), '0a0161' + '180a' + '22090a070a0162' + '12022001');
    const response = CreateCertificate.responseSerialize({ certChain: ['a', 'b'] });
    assert.equal(response.toString('hex'), '0a0161' + '0a0162');
  });

  it('reads a request as it was written, and the field that Istio no longer has as unknown', () => {
    const bytes = Buffer.from('0a0161' + '120162' + '180a', 'hex');
    const request = CreateCertificate.requestDeserialize(bytes);
    assert.equal(request.csr, 'a');
    assert.equal(request.validityDuration, 10);
    assert.equal(request.metadata, null);
    assert.equal(request.$unknowns?.length, 1);
  });

  it('makes of any bytes a request or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let request;
        try {
          request = CreateCertificate.requestDeserialize(Buffer.from(bytes));
        } catch {
          return;
        }
        assert.ok(request instanceof istio.v1.auth.IstioCertificateRequest);
        assert.equal(typeof request.csr, 'string');
        assert.ok(Number.isSafeInteger(request.validityDuration));
      }),
    );
  });
});

describe('the SDS service definition', () => {
  it("has Envoy's paths, two of them streams", () => {
    const paths = Object.values(sdsService).map(({ path, requestStream }) => [path, requestStream]);
    assert.deepEqual(paths, [
      ['/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets', true],
      ['/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets', true],
      ['/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets', false],
    ]);
  });
});
