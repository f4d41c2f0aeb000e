import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adsService, envoy, typeUrls } from './index.js';

const { DeltaDiscoveryRequest, DiscoveryResponse } = envoy.service.discovery.v3;

describe('the ADS service definition', () => {
  it("has Envoy's paths and streams both ways", () => {
    const { StreamAggregatedResources: sotw, DeltaAggregatedResources: delta } = adsService;
    const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
    assert.equal(sotw.path, `${service}/StreamAggregatedResources`);
    assert.equal(delta.path, `${service}/DeltaAggregatedResources`);
    assert.equal(delta.originalName, 'deltaAggregatedResources');
    for (const method of [sotw, delta]) assert.ok(method.requestStream && method.responseStream);
  });

  it('serializes each message as its deserializer reads it', () => {
    const { DeltaAggregatedResources: delta, StreamAggregatedResources: sotw } = adsService;
    const request = delta.requestDeserialize(
      delta.requestSerialize({
        typeUrl: typeUrls.cluster,
        resourceNamesSubscribe: ['*'],
        initialResourceVersions: { a: '1' },
      }),
    );
    assert.ok(request instanceof DeltaDiscoveryRequest);
    assert.deepEqual(request.initialResourceVersions, { a: '1' });
    const response = sotw.responseDeserialize(
      sotw.responseSerialize({ versionInfo: 'v', resources: [{ typeUrl: 'x' }] }),
    );
    assert.equal(response.resources[0]?.typeUrl, 'x');
    assert.equal(sotw.requestDeserialize(sotw.requestSerialize({ responseNonce: 'n' })).responseNonce, 'n');
    assert.equal(delta.responseDeserialize(delta.responseSerialize({ nonce: 'n' })).nonce, 'n');
  });

  it('passes on what is already encoded, without copying it', () => {
    const bytes = DiscoveryResponse.encode({ nonce: 'n' }).finish();
    const passed = adsService.StreamAggregatedResources.responseSerialize(bytes);
    assert.ok(Buffer.isBuffer(passed));
    assert.equal(passed.buffer, bytes.buffer);
    assert.equal(adsService.StreamAggregatedResources.responseDeserialize(passed).nonce, 'n');
  });
});
