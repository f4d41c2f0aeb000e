import { parseJwks } from '@heddle/engine';
import { formatJwks } from '../model/format-jwks.js';
import { issuerToDiscover } from '../model/key-sets.js';

/** Gets a text from a URL. */
export type FetchText = (url: string, timeoutMs: number) => Promise<string>;

/**
 * The keys of a source (see `keySourceOf`): public ones that proxies can use, and nothing else.
 *
 * Source: OpenID Connect Discovery 1.0, sections 4.1 and 4.3, where the source is an issuer.
 * Errors: an Error in plain words.
 */
export async function loadKeySet(source: string, timeoutMs: number, fetchText: FetchText): Promise<string> {
  const issuer = issuerToDiscover(source);
  const url = issuer === undefined ? source : await discover(issuer, timeoutMs, fetchText);
  const { keys, problems } = parseJwks(await fetchText(url, timeoutMs));
  // What anybody can fetch is no secret.
  const usable = keys.filter(({ kind }) => kind !== 'oct');
  if (usable.length === 0) throw new Error(problems.at(-1) ?? 'the key set has no public key');
  return formatJwks(usable);
}

async function discover(issuer: string, timeoutMs: number, fetchText: FetchText): Promise<string> {
  const text = await fetchText(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, timeoutMs);
  let configuration: unknown;
  try {
    configuration = JSON.parse(text);
  } catch {
    throw new Error('the OpenID configuration is not JSON');
  }
  const { issuer: named, jwks_uri: url } = (configuration ?? {}) as Readonly<Record<string, unknown>>;
  if (named !== issuer) {
    throw new Error(`the OpenID configuration is for the issuer ${JSON.stringify(named) ?? 'of nobody'}`);
  }
  if (typeof url !== 'string' || !URL.canParse(url)) {
    throw new Error('the OpenID configuration has no jwks_uri');
  }
  return url;
}
