import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compactVerify, SignJWT } from 'jose';
import { JWT_FAILURE, JwtFailure } from './jwt-failure.js';
import { parseJwks } from './parse-jwks.js';
import { parseJwt } from './parse-jwt.js';
import { createSignatureKey, verifySignature } from './verify-signature.js';

describe('parseJwt', () => {
  it('reads what the header and the registered claims say', () => {
    const jwt = parseJwt(
      tokenOf({ alg: 'RS256', kid: 'k' }, { iss: 'i', sub: 's', aud: ['a', 'b'], nbf: 5, exp: 9.7 }),
    );
    assert.ok(!(jwt instanceof JwtFailure));
    const { algorithm, keyId, issuer, subject, audiences, notBeforeSeconds, expiresAtSeconds } = jwt;
    assert.deepEqual(
      { algorithm, keyId, issuer, subject, audiences, notBeforeSeconds, expiresAtSeconds },
      {
        algorithm: 'RS256',
        keyId: 'k',
        issuer: 'i',
        subject: 's',
        audiences: ['a', 'b'],
        notBeforeSeconds: 5,
        expiresAtSeconds: 9,
      },
    );
  });

  it('takes nothing that an object inherits for a claim', () => {
    const jwt = parseJwt(tokenOf({ alg: 'RS256' }, '{"__proto__":{"iss":"evil"}}'));
    assert.ok(!(jwt instanceof JwtFailure));
    assert.equal(jwt.issuer, '');
  });

  it('refuses extensions that must be understood', () => {
    assert.equal(
      parseJwt(tokenOf({ alg: 'RS256', crit: ['b64'], b64: false }, {})),
      JWT_FAILURE.criticalHeader,
    );
  });

  it('refuses JSON nested deeper than any reader should follow, quotes and brackets in texts aside', () => {
    assert.equal(
      parseJwt(tokenOf({ alg: 'RS256' }, `{"a":${'['.repeat(100)}${']'.repeat(100)}}`)),
      JWT_FAILURE.payloadNotJson,
    );
    assert.ok(!(parseJwt(tokenOf({ alg: 'RS256' }, { a: `\\"${'['.repeat(500)}"` })) instanceof JwtFailure));
  });

  it('never throws, whatever stands in a header', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => parts.join('.')),
      fc.tuple(fc.json(), fc.json()).map(([header, payload]) => tokenOf(header, payload)),
    );
    fc.assert(
      fc.property(anything, (token) => {
        const jwt = parseJwt(token);
        assert.ok(jwt instanceof JwtFailure || jwt.token === token);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a signed token', () => {
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    PS384: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
  const algorithms = Object.keys(pairs) as (keyof typeof pairs)[];
  const { keys } = parseJwks(
    JSON.stringify({
      keys: algorithms.map((alg) => ({ ...pairs[alg].publicKey.export({ format: 'jwk' }), alg, kid: alg })),
    }),
  );
  const ready = keys.map(createSignatureKey);

  it('by another implementation is accepted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...algorithms), claims(), async (alg, payload) => {
        const jwt = parseJwt(await signedByJose(alg, payload));
        assert.ok(!(jwt instanceof JwtFailure), jwt instanceof JwtFailure ? jwt.text : '');
        assert.equal(verifySignature(jwt, ready), undefined);
        assert.deepEqual(jwt.payload, JSON.parse(JSON.stringify(payload)));
      }),
      { numRuns: 60 },
    );
  });

  it('with anything changed in it is refused, unless the other implementation accepts it, too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...algorithms),
        fc.nat(),
        fc.constantFrom('A', 'b', '_', '.', '=', ' ', ''),
        async (alg, at, character) => {
          const token = await signedByJose(alg, { iss: 'i' });
          const place = at % token.length;
          const changed = token.slice(0, place) + character + token.slice(place + 1);
          const jwt = parseJwt(changed);
          if (jwt instanceof JwtFailure || verifySignature(jwt, ready) !== undefined) return;
          await compactVerify(changed, pairs[alg].publicKey);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is not verified by a key of another kind, curve or kid', () => {
    const [rsa] = ready.filter(({ kind }) => kind === 'RSA');
    const [ec] = ready.filter(({ curve }) => curve === 'P-521');
    assert.ok(rsa !== undefined && ec !== undefined);
    const confused = parseJwt(tokenOf({ alg: 'HS256' }, {}));
    const wrongCurve = parseJwt(tokenOf({ alg: 'ES256' }, {}));
    const otherKid = parseJwt(tokenOf({ alg: 'RS256', kid: 'other' }, {}));
    assert.ok(!(confused instanceof JwtFailure) && !(wrongCurve instanceof JwtFailure));
    assert.ok(!(otherKid instanceof JwtFailure));
    assert.equal(verifySignature(confused, [{ ...rsa, algorithm: '' }]), JWT_FAILURE.verificationFails);
    assert.equal(verifySignature(wrongCurve, [{ ...ec, algorithm: '' }]), JWT_FAILURE.verificationFails);
    assert.equal(verifySignature(otherKid, ready), JWT_FAILURE.noMatchingKey);
    assert.equal(verifySignature(otherKid, []), JWT_FAILURE.noValidKeys);
  });

  function signedByJose(alg: keyof typeof pairs, payload: Record<string, unknown>): Promise<string> {
    return new SignJWT(payload).setProtectedHeader({ alg, kid: alg }).sign(pairs[alg].privateKey);
  }
});

function claims(): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    {
      iss: fc.string(),
      sub: fc.string({ unit: 'grapheme' }),
      aud: fc.oneof(fc.string(), fc.array(fc.string())),
      exp: fc.nat(),
      scope: fc.string(),
      other: fc.jsonValue({ maxDepth: 4 }),
    },
    { requiredKeys: [] },
  );
}

/** Signed by nobody. */
function tokenOf(header: unknown, payload: unknown): string {
  return `${part(header)}.${part(payload)}.c2lnbmF0dXJl`;
}

function part(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}
