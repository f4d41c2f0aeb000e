import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { keySourceOf } from '../model/key-sets.js';
import { loadKeySet } from './load-key-set.js';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const jwk = publicKey.export({ format: 'jwk' });

describe('loadKeySet', () => {
  it('takes the public keys that can be used, and nothing else', async () => {
    const secret = { kty: 'oct', k: 'c2VjcmV0' };
    const whole = { ...privateKey.export({ format: 'jwk' }), kid: 'k', note: 'x' };
    const jwks = await load('https://a/keys', {
      'https://a/keys': JSON.stringify({ keys: [secret, whole, { kty: 'new' }] }),
    });
    assert.deepEqual(JSON.parse(jwks), { keys: [{ ...jwk, kid: 'k' }] });
  });

  it('refuses a set of secrets alone, a set without keys, and what is no set', async () => {
    for (const [text, reason] of [
      ['{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', /no public key/],
      ['{"keys":[]}', /no key that could verify/],
      ['<html>', /not JSON/],
      ['[]', /not a JSON object/],
    ] as const) {
      await assert.rejects(load('https://a', { 'https://a': text }), reason);
    }
  });

  it('discovers where the keys of an issuer are', async () => {
    const texts = {
      'https://a/b/.well-known/openid-configuration': JSON.stringify({
        issuer: 'https://a/b/',
        jwks_uri: 'https://keys/of-a',
      }),
      'https://keys/of-a': JSON.stringify({ keys: [jwk] }),
    };
    assert.deepEqual(JSON.parse(await load(keySourceOf(undefined, 'https://a/b/'), texts)), { keys: [jwk] });
  });

  it('believes no configuration of another issuer, and none without a URL', async () => {
    const at = 'https://a/.well-known/openid-configuration';
    for (const [text, reason] of [
      ['{"issuer":"https://b","jwks_uri":"https://b/keys"}', /for the issuer "https:\/\/b"/],
      ['{"jwks_uri":"https://b/keys"}', /of nobody/],
      ['{"issuer":"https://a"}', /no jwks_uri/],
      ['null', /of nobody/],
      ['x', /not JSON/],
    ] as const) {
      await assert.rejects(load(keySourceOf(undefined, 'https://a'), { [at]: text }), reason);
    }
  });
});

function load(source: string, texts: Readonly<Record<string, string>>): Promise<string> {
  return loadKeySet(source, 1000, (url) => {
    const text = texts[url];
    return text === undefined ? Promise.reject(new Error(`nobody serves ${url}`)) : Promise.resolve(text);
  });
}
