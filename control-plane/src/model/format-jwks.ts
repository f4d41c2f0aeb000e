import type { JwkConfig } from '@heddle/engine';

/** A JWKS of these keys: what verifies and nothing else, so that no private half travels by mistake. */
export function formatJwks(keys: readonly JwkConfig[]): string {
  return JSON.stringify({
    keys: keys.map(({ keyId, algorithm, material }) => ({
      ...material,
      ...(keyId === '' ? {} : { kid: keyId }),
      ...(algorithm === '' ? {} : { alg: algorithm }),
    })),
  });
}
