import { envoy, packAny } from '@heddle/xds-protos';
import type { KeySets } from '../model/key-sets.js';
import type { MeshModel } from '../model/mesh-model.js';
import type { PolicySubject } from '../model/policy-target.js';
import { jwtRulesOf, type JwtRule } from '../model/request-authentication.js';
import { keyOfNobody } from './key-of-nobody.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type Provider = envoy.extensions.filters.http.jwt_authn.v3.IJwtProvider;
type Requirement = envoy.extensions.filters.http.jwt_authn.v3.IJwtRequirement;

const { JwtAuthentication } = envoy.extensions.filters.http.jwt_authn.v3;

/** Under which authorization looks for claims. Source: Istio. */
export const jwtPayloadKey = 'payload';

/** Lists of words in one text. Source: Istio; RFC 8693 section 4.2. */
const spaceDelimitedClaims = ['scope', 'permission'];

/**
 * The filter that verifies the tokens of requests to a workload; undefined when no policy concerns it. A request without a token
 * passes, one with a token that is not valid is refused.
 *
 * Source: Istio's JwtFilter.
 */
export function jwtFilterOf(model: MeshModel, subject: PolicySubject): HttpFilter | undefined {
  const rules = jwtRulesOf(model.requestAuthentications, subject);
  if (rules.length === 0) return undefined;
  const providers: Record<string, Provider> = {};
  rules.forEach((rule, i) => (providers[providerName(i)] = providerOf(rule, model.keySets)));
  return {
    name: 'envoy.filters.http.jwt_authn',
    typedConfig: packAny(JwtAuthentication, {
      providers,
      rules: [{ match: { prefix: '/' }, requires: requirementOf(rules.length) }],
      bypassCorsPreflight: true,
    }),
  };
}

function providerName(index: number): string {
  return `origins-${index}`;
}

/**
 * Source: Istio: any of the providers, or for each one either a good token or none. The first alternative is for providers that look
 * at the same place, where a token of one is never good for the other.
 */
function requirementOf(providers: number): Requirement {
  const good: Requirement[] = [];
  const goodOrNone: Requirement[] = [];
  for (let i = 0; i < providers; i++) {
    const one: Requirement = { providerName: providerName(i) };
    good.push(one);
    goodOrNone.push({ requiresAny: { requirements: [one, { allowMissing: {} }] } });
  }
  if (providers === 1) return goodOrNone[0] as Requirement;
  return { requiresAny: { requirements: [...good, { requiresAll: { requirements: goodOrNone } }] } };
}

function providerOf(rule: JwtRule, keySets: KeySets): Provider {
  return {
    issuer: rule.issuer,
    audiences: [...rule.audiences],
    localJwks: { inlineString: jwksOf(rule, keySets) },
    forward: rule.forwardOriginalToken,
    fromHeaders: rule.fromHeaders.map(({ name, prefix }) => ({ name, valuePrefix: prefix })),
    fromParams: [...rule.fromParams],
    fromCookies: [...rule.fromCookies],
    forwardPayloadHeader: rule.outputPayloadToHeader,
    claimToHeaders: rule.outputClaimToHeaders.map(({ header, claim }) => ({
      headerName: header,
      claimName: claim,
    })),
    payloadInMetadata: jwtPayloadKey,
    normalizePayloadInMetadata: {
      spaceDelimitedClaims: [...new Set([...spaceDelimitedClaims, ...rule.spaceDelimitedClaims])],
    },
  };
}

/** Until keys were fetched, one that verifies nothing: proxies refuse a provider without keys, and with it the whole listener. */
function jwksOf({ keys }: JwtRule, keySets: KeySets): string {
  return keys.kind === 'inline' ? keys.jwks : (keySets.get(keys.source)?.jwks ?? keyOfNobody);
}
