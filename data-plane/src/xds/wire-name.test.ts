import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { envoy } from '@heddle/xds-protos';
import { wireName } from './wire-name.js';

const { Cluster } = envoy.config.cluster.v3;

describe('wireName', () => {
  it('reads the same name that decoding gives', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.nat(1e6), (name, altStatName, limit) => {
        const bytes = Cluster.encode({
          altStatName,
          perConnectionBufferLimitBytes: { value: limit },
          name,
          connectTimeout: { seconds: limit },
        }).finish();
        assert.equal(wireName(bytes), Cluster.decode(bytes).name);
      }),
    );
  });

  it('agrees with the decoder on any bytes that the decoder takes, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const name = wireName(bytes);
        let decoded: string;
        try {
          decoded = Cluster.decode(bytes).name;
        } catch {
          return;
        }
        if (name !== undefined) assert.equal(name, decoded);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes the last of several names, as protobuf does', () => {
    assert.equal(wireName(Uint8Array.of(10, 1, 97, 10, 1, 98)), 'b');
    assert.equal(wireName(new Uint8Array(0)), '');
    assert.equal(wireName(Uint8Array.of(10, 5, 97)), undefined);
  });
});
