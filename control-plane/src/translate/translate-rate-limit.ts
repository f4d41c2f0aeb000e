import { envoy, packAny } from '@heddle/xds-protos';
import type { TextMatch } from '../model/http-route.js';
import type { MeshModel } from '../model/mesh-model.js';
import type { PolicySubject } from '../model/policy-target.js';
import type { Rate, RateLimit, RateLimitRule } from '../model/rate-limit.js';
import { duration } from './proto-values.js';
import { escapeRegex, headerMatchOf } from './translate-route.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type NetworkFilter = envoy.config.listener.v3.IFilter;
type HeaderMatcher = envoy.config.route.v3.IHeaderMatcher;

const http = envoy.extensions.filters.http.local_ratelimit.v3;
const network = envoy.extensions.filters.network.local_ratelimit.v3;
const { DRAFT_VERSION_03 } = envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion;

/** Which rule a request falls under, in descriptors. */
const RULE_KEY = 'rule';

/** The filters that limit the requests to a workload, one for each RateLimit: a request has to pass all of them. */
export function requestLimitFilters(model: MeshModel, subject: PolicySubject): HttpFilter[] {
  return model.rateLimits
    .all(subject)
    .filter(({ requests, rules }) => requests !== undefined || rules.length > 0)
    .map((limit) => ({
      name: `envoy.filters.http.local_ratelimit/${nameOf(limit)}`,
      typedConfig: packAny(http.LocalRateLimit, {
        statPrefix: nameOf(limit),
        ...(limit.requests === undefined ? {} : { tokenBucket: bucketOf(limit.requests) }),
        filterEnabled: share(100),
        filterEnforced: share(limit.dryRun ? 0 : 100),
        descriptors: limit.rules.map(({ name, rate }) => ({
          entries: [{ key: RULE_KEY, value: name }],
          tokenBucket: bucketOf(rate),
        })),
        rateLimits: limit.rules.map(actionsOf),
        localRateLimitPerDownstreamConnection: limit.perConnection,
        ...(limit.status === undefined ? {} : { status: { code: limit.status } }),
        ...(limit.responseHeaders ? { enableXRatelimitHeaders: DRAFT_VERSION_03 } : {}),
      }),
    }));
}

/** Those that limit its connections. */
export function connectionLimitFilters(model: MeshModel, subject: PolicySubject): NetworkFilter[] {
  return model.rateLimits.all(subject).flatMap((limit): NetworkFilter[] => {
    if (limit.connections === undefined || limit.dryRun) return [];
    const typedConfig = packAny(network.LocalRateLimit, {
      statPrefix: nameOf(limit),
      tokenBucket: bucketOf(limit.connections),
    });
    return [{ name: `envoy.filters.network.local_ratelimit/${nameOf(limit)}`, typedConfig }];
  });
}

function nameOf({ target }: RateLimit): string {
  return `${target.namespace}/${target.name}`;
}

function bucketOf({ limit, perMs, burst }: Rate): envoy.type.v3.ITokenBucket {
  return { maxTokens: burst, tokensPerFill: { value: limit }, fillInterval: duration(perMs) };
}

function share(percent: number): envoy.config.core.v3.IRuntimeFractionalPercent {
  return { defaultValue: { numerator: percent } };
}

function actionsOf({ name, path, method, headers }: RateLimitRule): envoy.config.route.v3.IRateLimit {
  const matchers: HeaderMatcher[] = headers.map(([header, match]) => headerMatchOf(header, match, false));
  if (path !== undefined) matchers.push(pathMatchOf(path));
  if (method !== undefined) matchers.push(headerMatchOf(':method', method, false));
  return {
    actions: [{ headerValueMatch: { descriptorKey: RULE_KEY, descriptorValue: name, headers: matchers } }],
  };
}

/** The header has the query as well. */
function pathMatchOf(path: TextMatch): HeaderMatcher {
  switch (path.kind) {
    case 'exact':
      return headerMatchOf(':path', { kind: 'regex', value: `${escapeRegex(path.value)}([?].*)?` }, false);
    case 'regex':
      return headerMatchOf(':path', { kind: 'regex', value: `(${path.value})([?].*)?` }, false);
    default:
      return headerMatchOf(':path', path, false);
  }
}
