import type { HashPolicyConfig } from '../config/route-config.js';
import type { RequestHead } from '../http/message-head.js';
import { queryParameter } from '../route/query-match.js';
import { combineHashes, xxHash64, type Hash64 } from './xx-hash64.js';

/** What a request's hash may be made of beside its head. */
export interface HashSource {
  readonly clientIp: string;
  /** Equal for all requests of one connection, and hardly for two. */
  readonly connectionKey: string;
}

/** A request's hash, and the cookies that its client has to be given so that its next one has the same. */
export interface RequestHash {
  readonly hash: Hash64 | undefined;
  readonly setCookies: readonly string[];
}

const NO_COOKIES: readonly string[] = Object.freeze([]);

/**
 * What hashing policies of load balancing choose a host by.
 *
 * Source: envoy.config.route.v3.RouteAction.hash_policy: each that finds something adds to the hash; after a terminal one that has
 * a hash before it or of its own, the rest is not looked at.
 */
export function requestHash(
  policies: readonly HashPolicyConfig[],
  head: RequestHead,
  source: HashSource,
): RequestHash {
  let hash: Hash64 | undefined;
  let setCookies = NO_COOKIES;
  for (const policy of policies) {
    let text = hashedText(policy, head, source);
    if (text === undefined && policy.kind === 'cookie' && policy.ttlMs !== undefined) {
      const { hi, lo } = xxHash64(source.connectionKey);
      text = hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');
      setCookies = [...setCookies, setCookieText(policy, text)];
    }
    if (text !== undefined) {
      const found = xxHash64(text);
      hash = hash === undefined ? found : combineHashes(hash, found);
    }
    if (policy.terminal && hash !== undefined) break;
  }
  return { hash, setCookies };
}

function hashedText(policy: HashPolicyConfig, head: RequestHead, source: HashSource): string | undefined {
  switch (policy.kind) {
    case 'header': {
      const value = head.headers.joined(policy.name);
      const { regexRewrite } = policy;
      if (value === undefined || regexRewrite === undefined) return value;
      return regexRewrite.regex.replaceAll(value, regexRewrite.substitution);
    }
    case 'cookie':
      return cookieValue(head.headers.joined('cookie'), policy.name);
    case 'source-ip':
      return source.clientIp === '' ? undefined : source.clientIp;
    case 'query':
      return queryParameter(head.path, policy.name);
  }
}

/** The first value of that name; undefined when there is none, or an empty one. Values may be in quotes. */
function cookieValue(cookies: string | undefined, name: string): string | undefined {
  if (cookies === undefined) return undefined;
  // Several fields are joined by commas, several cookies of one by semicolons.
  for (const pair of cookies.split(/[;,]/)) {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
    const text = isQuoted ? value.slice(1, -1) : value;
    return text === '' ? undefined : text;
  }
  return undefined;
}

function setCookieText(policy: Extract<HashPolicyConfig, { kind: 'cookie' }>, value: string): string {
  const { name, ttlMs = 0, path, attributes } = policy;
  let text = `${name}="${value}"`;
  if (ttlMs > 0) text += `; Max-Age=${Math.floor(ttlMs / 1000)}`;
  if (path !== '') text += `; Path=${path}`;
  for (const [attribute, of] of attributes) text += of === '' ? `; ${attribute}` : `; ${attribute}=${of}`;
  return `${text}; HttpOnly`;
}
