import { readFileSync, statSync } from 'node:fs';
import {
  acceptJwt,
  createSignatureKey,
  MAX_JWKS_BYTES,
  parseJwks,
  verifySignature,
  type AcceptedJwt,
  type JwkConfig,
  type JwtAuthnConfig,
  type JwtFailure,
  type JwtProviderConfig,
  type JwtVerifier,
  type ParsedJwt,
  type SignatureKey,
} from '@heddle/engine';
import type { JwtAuthnStats } from './jwt-authn-stats.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

interface ReadyProvider {
  readonly keys: readonly SignatureKey[];
  readonly cache: VerifiedTokenCache;
}

/**
 * The keys of one configuration's providers, and which tokens they verified. Another configuration has another verifier, so that no
 * token outlives its key.
 */
export class TokenVerifier implements JwtVerifier {
  readonly #providers: ReadonlyMap<JwtProviderConfig, ReadyProvider>;
  readonly #stats: JwtAuthnStats;

  constructor(config: JwtAuthnConfig, stats: JwtAuthnStats) {
    this.#stats = stats;
    this.#providers = new Map(
      config.providers.map((provider) => [
        provider,
        {
          keys: keysOf(provider, stats).map(createSignatureKey),
          cache: new VerifiedTokenCache(provider.cacheSize),
        },
      ]),
    );
  }

  remembered(provider: JwtProviderConfig, token: string): AcceptedJwt | undefined {
    const found = this.#of(provider).cache.get(token);
    if (found === undefined) this.#stats.cacheMiss.inc();
    else this.#stats.cacheHit.inc();
    return found;
  }

  verify(provider: JwtProviderConfig, jwt: ParsedJwt): AcceptedJwt | JwtFailure {
    const { keys, cache } = this.#of(provider);
    const failure = verifySignature(jwt, keys);
    if (failure !== undefined) return failure;
    const accepted = acceptJwt(jwt, provider);
    const forgotten = cache.add(jwt.token, accepted);
    if (forgotten > 0) this.#stats.cacheEvicted.add(forgotten);
    return accepted;
  }

  #of(provider: JwtProviderConfig): ReadyProvider {
    return this.#providers.get(provider) as ReadyProvider;
  }
}

function keysOf({ keys }: JwtProviderConfig, stats: JwtAuthnStats): readonly JwkConfig[] {
  if (keys.kind === 'inline') return keys.keys;
  const text = readKeyFile(keys.path);
  const parsed = text === undefined ? [] : parseJwks(text).keys;
  if (parsed.length === 0) stats.keyFileFailed.inc();
  return parsed;
}

/** Read when the configuration comes, as Envoy does; undefined when it cannot be. */
function readKeyFile(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    return size > MAX_JWKS_BYTES ? undefined : readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
