import { envoy, unknownFieldsOf } from '@heddle/xds-protos';
import { decodeAs } from '../../translate/any-config.js';
import { Findings, join } from '../../translate/findings.js';
import { checkHeaderName, translateStringMatcher } from '../../translate/matchers.js';
import { deepFreeze, durationMs, requiredText } from '../../translate/proto-values.js';
import { translateRouteMatch } from '../../translate/route-match.js';
import type { Translated } from '../../config/problem.js';
import { FILTER_DISABLED, type HttpFilterFactoryConfig } from '../http-filter.js';
import { comparedAudience, DEFAULT_CLOCK_SKEW_SECONDS } from './check-claims.js';
import type {
  JwtAuthnConfig,
  JwtProviderConfig,
  JwtRequirement,
  JwtRouteConfig,
  JwtRule,
} from './jwt-authn-config.js';
import { parseJwks } from './parse-jwks.js';
import { tokenLocations, type TokenSources } from './token-locations.js';

const { JwtAuthentication, PerRouteConfig } = envoy.extensions.filters.http.jwt_authn.v3;

type Authentication = envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication;
type Provider = envoy.extensions.filters.http.jwt_authn.v3.JwtProvider;
type Requirement = envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement;
type Rule = envoy.extensions.filters.http.jwt_authn.v3.RequirementRule;

/** Remembered tokens of a provider that says nothing of it; at most 4 KiB each. */
const DEFAULT_CACHE_SIZE = 500;

/** Requirements nested deeper are refused: nobody wrote them, and each request would walk them. */
const MAX_REQUIREMENT_DEPTH = 16;

export const jwtAuthnFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.jwt_authn',
  typeUrl: `type.googleapis.com/${JwtAuthentication.typeName}`,
  perRouteTypeUrl: `type.googleapis.com/${PerRouteConfig.typeName}`,
  terminal: false,
  parse: parseJwtAuthn,
  parsePerRoute,
};

function parseJwtAuthn(bytes: Uint8Array, path: string): Translated<JwtAuthnConfig> {
  const findings = new Findings();
  const message = decodeAs(bytes, JwtAuthentication, path, findings) ?? JwtAuthentication.create();
  refuseUnknownFields(message, path, findings);
  findings.unsupported(`${path}.filter_state_rules`, message.filterStateRules !== null, 'problem');
  return findings.finish(deepFreeze(new Translation(message, path, findings).config()));
}

function parsePerRoute(bytes: Uint8Array, path: string): Translated<JwtRouteConfig | typeof FILTER_DISABLED> {
  const findings = new Findings();
  const message = decodeAs(bytes, PerRouteConfig, path, findings);
  if (message !== undefined) refuseUnknownFields(message, path, findings);
  switch (message?.requirementSpecifier) {
    case 'disabled':
      if (message.disabled !== true) findings.problem(`${path}.disabled`, 'must be true');
      return findings.finish(FILTER_DISABLED);
    case 'requirementName': {
      const name = requiredText(message.requirementName ?? '', `${path}.requirement_name`, findings);
      return findings.finish(deepFreeze({ requirementName: name }));
    }
    case undefined:
      if (message !== undefined) findings.problem(path, 'one of disabled or requirement_name must be set');
      return findings.finish(FILTER_DISABLED);
  }
}

/** Whatever is not understood here may be a check that is not made. */
function refuseUnknownFields(message: object, path: string, findings: Findings): void {
  for (const { path: field, tag } of unknownFieldsOf(message)) {
    findings.problem(join(path, field), `unknown field number ${tag} in the check of tokens`);
  }
}

/** One message while it is translated. */
class Translation {
  readonly #message: Authentication;
  readonly #path: string;
  readonly #findings: Findings;
  readonly #providers: ReadonlyMap<string, JwtProviderConfig>;
  readonly #sources: ReadonlyMap<string, TokenSources>;

  constructor(message: Authentication, path: string, findings: Findings) {
    this.#message = message;
    this.#path = path;
    this.#findings = findings;
    const entries = Object.entries(message.providers).sort(([a], [b]) => (a < b ? -1 : 1));
    this.#sources = new Map(entries.map(([name, provider]) => [name, sourcesOf(provider)]));
    this.#providers = new Map(
      entries.map(([name, provider]) => {
        const at = `${path}.providers[${JSON.stringify(name)}]`;
        return [name, translateProvider(name, provider, at, findings)];
      }),
    );
  }

  config(): JwtAuthnConfig {
    const message = this.#message;
    const rules = message.rules.map((rule, i) => this.#rule(rule, `${this.#path}.rules[${i}]`));
    const providers = [...this.#providers.values()];
    return {
      providers,
      rules,
      requirements: new Map(
        Object.entries(message.requirementMap).map(([name, requirement]) => [
          name,
          this.#requirement(requirement, `${this.#path}.requirement_map[${JSON.stringify(name)}]`, 0),
        ]),
      ),
      bypassCorsPreflight: message.bypassCorsPreflight,
      stripFailureResponse: message.stripFailureResponse,
      reservedHeaders: reservedHeaders(providers),
    };
  }

  #rule(rule: Rule, path: string): JwtRule {
    if (rule.match === null) this.#findings.problem(`${path}.match`, 'must be set');
    return {
      match: translateRouteMatch(
        rule.match ?? envoy.config.route.v3.RouteMatch.create({ prefix: '/' }),
        `${path}.match`,
        this.#findings,
      ),
      requirement: this.#requirementOf(rule, path),
    };
  }

  #requirementOf(rule: Rule, path: string): JwtRequirement {
    switch (rule.requirementType) {
      case 'requires':
        return rule.requires === null
          ? NO_REQUIREMENT
          : this.#requirement(rule.requires, `${path}.requires`, 0);
      case 'requirementName': {
        const name = rule.requirementName ?? '';
        const named = Object.hasOwn(this.#message.requirementMap, name)
          ? this.#message.requirementMap[name]
          : undefined;
        if (named !== undefined) return this.#requirement(named, `${path}.requirement_name`, 0);
        this.#findings.problem(
          `${path}.requirement_name`,
          `${JSON.stringify(name)} is not in the requirement_map`,
        );
        return NO_REQUIREMENT;
      }
      case undefined:
        return NO_REQUIREMENT;
    }
  }

  #requirement(requirement: Requirement, path: string, depth: number): JwtRequirement {
    if (depth > MAX_REQUIREMENT_DEPTH) {
      this.#findings.problem(path, `is nested deeper than ${MAX_REQUIREMENT_DEPTH}`);
      return NO_REQUIREMENT;
    }
    switch (requirement.requiresType) {
      case 'providerName':
        return this.#provider(requirement.providerName ?? '', [], `${path}.provider_name`);
      case 'providerAndAudiences': {
        const { providerName = '', audiences = [] } = requirement.providerAndAudiences ?? {};
        return this.#provider(providerName, audiences, `${path}.provider_and_audiences.provider_name`);
      }
      case 'requiresAny':
        return this.#any(requirement.requiresAny?.requirements ?? [], `${path}.requires_any`, depth);
      case 'requiresAll': {
        const all = requirement.requiresAll?.requirements ?? [];
        return {
          kind: 'all',
          requirements: this.#list(all, `${path}.requires_all`, depth),
        };
      }
      case 'allowMissing':
        return this.#anyProvider('missing');
      case 'allowMissingOrFailed':
        return this.#anyProvider('missing-or-failed');
      case undefined:
        return NO_REQUIREMENT;
    }
  }

  #list(requirements: readonly Requirement[], path: string, depth: number): JwtRequirement[] {
    if (requirements.length < 2) this.#findings.problem(`${path}.requirements`, 'must have at least two');
    return requirements.map((one, i) => this.#requirement(one, `${path}.requirements[${i}]`, depth + 1));
  }

  /** `allow_missing` and its like are not alternatives of their own here: they say which failures of the others are none. */
  #any(requirements: readonly Requirement[], path: string, depth: number): JwtRequirement {
    const types = requirements.map((one) => one.requiresType);
    const all = this.#list(requirements, path, depth);
    return {
      kind: 'any',
      requirements: all.filter((_, i) => types[i] !== 'allowMissing' && types[i] !== 'allowMissingOrFailed'),
      tolerates: types.includes('allowMissingOrFailed')
        ? 'missing-or-failed'
        : types.includes('allowMissing')
          ? 'missing'
          : 'nothing',
    };
  }

  #provider(name: string, audiences: readonly string[], path: string): JwtRequirement {
    const provider = this.#providers.get(name);
    if (provider === undefined) {
      this.#findings.problem(path, `${JSON.stringify(name)} is not in providers`);
      return NO_REQUIREMENT;
    }
    return {
      kind: 'provider',
      provider,
      audiences: audiences.length > 0 ? audiences.map(comparedAudience) : provider.audiences,
      locations: this.#locations([provider]),
    };
  }

  #anyProvider(tolerates: 'missing' | 'missing-or-failed'): JwtRequirement {
    const providers = [...this.#providers.values()];
    return { kind: 'any-provider', tolerates, providers, locations: this.#locations(providers) };
  }

  #locations(providers: readonly JwtProviderConfig[]) {
    return tokenLocations(
      providers.map(({ name, issuer }) => ({ issuer, sources: this.#sources.get(name) as TokenSources })),
    );
  }
}

const NO_REQUIREMENT: JwtRequirement = Object.freeze({ kind: 'none' });

function sourcesOf({ fromHeaders, fromParams, fromCookies }: Provider): TokenSources {
  return {
    headers: fromHeaders.map(({ name, valuePrefix }) => ({ name: name.toLowerCase(), prefix: valuePrefix })),
    parameters: fromParams,
    cookies: fromCookies,
  };
}

function reservedHeaders(providers: readonly JwtProviderConfig[]): readonly string[] {
  const names = providers.flatMap(({ forwardPayloadHeader, claimToHeaders }) => [
    forwardPayloadHeader,
    ...claimToHeaders.map(({ header }) => header),
  ]);
  return [...new Set(names)].filter((name) => name !== '');
}

function translateProvider(
  name: string,
  provider: Provider,
  path: string,
  findings: Findings,
): JwtProviderConfig {
  provider.fromHeaders.forEach((header, i) =>
    checkHeaderName(header.name, `${path}.from_headers[${i}].name`, findings),
  );
  provider.claimToHeaders.forEach((one, i) => {
    checkHeaderName(one.headerName, `${path}.claim_to_headers[${i}].header_name`, findings);
    requiredText(one.claimName, `${path}.claim_to_headers[${i}].claim_name`, findings);
  });
  if (provider.forwardPayloadHeader !== '') {
    checkHeaderName(provider.forwardPayloadHeader, `${path}.forward_payload_header`, findings);
  }
  findings.unsupported(
    `${path}.clear_route_cache`,
    provider.clearRouteCache,
    'problem',
    'choosing the route anew after the check is not supported',
  );
  const maxLifetimeMs = durationMs(provider.maxLifetime, undefined, `${path}.max_lifetime`, findings);
  return {
    name,
    issuer: provider.issuer,
    audiences: provider.audiences.map(comparedAudience),
    subjects:
      provider.subjects === null
        ? undefined
        : translateStringMatcher(provider.subjects, `${path}.subjects`, findings),
    requireExpiration: provider.requireExpiration,
    maxLifetimeSeconds: maxLifetimeMs === undefined ? undefined : maxLifetimeMs / 1000,
    clockSkewSeconds:
      provider.clockSkewSeconds === 0 ? DEFAULT_CLOCK_SKEW_SECONDS : provider.clockSkewSeconds,
    keys: translateKeys(provider, path, findings),
    forward: provider.forward,
    forwardPayloadHeader: provider.forwardPayloadHeader.toLowerCase(),
    padForwardPayload: provider.padForwardPayloadHeader,
    payloadInMetadata: provider.payloadInMetadata,
    headerInMetadata: provider.headerInMetadata,
    failedStatusInMetadata: provider.failedStatusInMetadata,
    spaceDelimitedClaims: provider.normalizePayloadInMetadata?.spaceDelimitedClaims ?? [],
    claimToHeaders: provider.claimToHeaders.map((one) => ({
      header: one.headerName.toLowerCase(),
      claim: one.claimName.split('.'),
    })),
    cacheSize: provider.jwtCacheConfig?.jwtCacheSize || DEFAULT_CACHE_SIZE,
  };
}

const NO_KEYS: JwtProviderConfig['keys'] = Object.freeze({ kind: 'inline', keys: Object.freeze([]) });

function translateKeys(provider: Provider, path: string, findings: Findings): JwtProviderConfig['keys'] {
  if (provider.jwksSourceSpecifier === 'remoteJwks') {
    findings.problem(`${path}.remote_jwks`, 'keys fetched by the proxy are not supported: use local_jwks');
    return NO_KEYS;
  }
  const source = provider.localJwks;
  if (source === null) {
    findings.problem(path, 'one of remote_jwks or local_jwks must be set');
    return NO_KEYS;
  }
  switch (source.specifier) {
    case 'filename':
      return {
        kind: 'file',
        path: requiredText(source.filename ?? '', `${path}.local_jwks.filename`, findings),
      };
    case 'inlineString':
      return inlineKeys(source.inlineString ?? '', `${path}.local_jwks.inline_string`, findings);
    case 'inlineBytes':
      return inlineKeys(
        Buffer.from(source.inlineBytes ?? []).toString('utf8'),
        `${path}.local_jwks.inline_bytes`,
        findings,
      );
    case 'environmentVariable':
      findings.problem(`${path}.local_jwks.environment_variable`, 'is not supported');
      return NO_KEYS;
    case undefined:
      findings.problem(`${path}.local_jwks`, 'one of filename, inline_string or inline_bytes must be set');
      return NO_KEYS;
  }
}

function inlineKeys(text: string, path: string, findings: Findings): JwtProviderConfig['keys'] {
  const { keys, problems } = parseJwks(text);
  for (const problem of problems) {
    if (keys.length === 0) findings.problem(path, problem);
    else findings.warn(path, problem);
  }
  return { kind: 'inline', keys };
}
