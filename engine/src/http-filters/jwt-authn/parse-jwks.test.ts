import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_JWKS_BYTES, MAX_KEYS, parseJwks } from './parse-jwks.js';
import { createSignatureKey } from './verify-signature.js';

describe('parseJwks', () => {
  const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });

  it('uses the good keys beside bad ones, and says which are bad', () => {
    const { keys, problems } = parseJwks(JSON.stringify({ keys: [{ kty: 'X' }, { ...jwk, kid: 'k' }] }));
    assert.deepEqual(
      keys.map(({ keyId }) => keyId),
      ['k'],
    );
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /keys\[0\].*"X"/);
  });

  it('keeps nothing of a private key', () => {
    const secret = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    assert.ok(secret.d !== undefined);
    assert.ok(!JSON.stringify(parseJwks(JSON.stringify({ keys: [secret] }))).includes(secret.d));
  });

  it('bounds the text and the number of keys', () => {
    assert.deepEqual(parseJwks(' '.repeat(MAX_JWKS_BYTES + 1)).keys, []);
    const { keys, problems } = parseJwks(JSON.stringify({ keys: Array(MAX_KEYS + 5).fill(jwk) }));
    assert.equal(keys.length, MAX_KEYS);
    assert.equal(problems.length, 1);
  });

  it('never throws, and every key it returns can be made ready', () => {
    const member = fc.oneof(
      fc.constantFrom('RSA', 'EC', 'OKP', 'oct', 'P-256', 'Ed25519', 'AQAB'),
      fc.string(),
    );
    const key = fc.dictionary(fc.constantFrom('kty', 'crv', 'x', 'y', 'n', 'e', 'k', 'kid', 'alg'), member);
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(fc.oneof(key, fc.jsonValue())).map((keys) => JSON.stringify({ keys })),
      fc.dictionary(fc.string(), fc.string()).map((map) => JSON.stringify(map)),
    );
    fc.assert(
      fc.property(text, (jwks) => {
        const { keys, problems } = parseJwks(jwks);
        assert.ok(keys.length > 0 || problems.length > 0);
        keys.forEach(createSignatureKey);
      }),
      { numRuns: 1000 },
    );
  });
});
