import type { DiscoveredHttpFilterConfig, HttpFilterConfig } from '../config/http-filter-config.js';
import type { LocalRateLimitConfig } from '../config/rate-limit-config.js';
import type { RbacFilterConfig } from '../config/rbac-config.js';
import { decideCors } from '../http-filters/cors/decide-cors.js';
import { effectiveCorsPolicy } from '../http-filters/cors/effective-cors-policy.js';
import { decideFault } from '../http-filters/fault/decide-fault.js';
import type { FaultConfig } from '../http-filters/fault/config.js';
import { FILTER_DISABLED } from '../http-filters/http-filter.js';
import { acceptJwt, type AcceptedJwt } from '../http-filters/jwt-authn/accepted-jwt.js';
import { checkRequirement, type JwtCheck } from '../http-filters/jwt-authn/check-requirement.js';
import { requirementFor } from '../http-filters/jwt-authn/find-requirement.js';
import type {
  JwtAuthnConfig,
  JwtProviderConfig,
  JwtRouteConfig,
} from '../http-filters/jwt-authn/jwt-authn-config.js';
import { isCorsPreflight } from '../http-filters/jwt-authn/cors-preflight.js';
import { tokenRefused, unknownRequirement } from '../http-filters/jwt-authn/jwt-authn-replies.js';
import type { JwtFailure } from '../http-filters/jwt-authn/jwt-failure.js';
import type { ParsedJwt } from '../http-filters/jwt-authn/parse-jwt.js';
import { createSignatureKey, verifySignature } from '../http-filters/jwt-authn/verify-signature.js';
import { faultAbort, localRateLimited, rbacDenied, type LocalReply } from '../http/local-reply.js';
import type { RequestHead } from '../http/message-head.js';
import { explainRbac, type RbacExplanation } from '../rbac/explain-rbac.js';
import { LocalRateLimiter } from '../rate-limit/local-rate-limiter.js';
import { requestDescriptors } from '../rate-limit/request-descriptors.js';
import { filterOverride, filterOverrides } from '../route/filter-override.js';
import type { RouteConfig } from '../config/route-config.js';
import type { ExplainedStream } from './explained-stream.js';

/** What one filter does with a request. */
export interface ExplainedFilter {
  readonly name: string;
  /** What it does: lets everything pass, may or will answer, waits, only looks. */
  readonly verdict: 'passes' | 'answers' | 'may-answer' | 'delays' | 'watches' | 'off';
  readonly text: string;
  /** The answer that it gives, or may give. */
  readonly answer: LocalReply | undefined;
  /** The share of requests that it answers, 0..1; undefined: it depends on what came before. */
  readonly answerRatio: number | undefined;
  /** How long it holds the request, and for which share of them. Units: ms. */
  readonly delay: { readonly delayMs: number; readonly ratio: number } | undefined;
  /** Of policies: what each says. */
  readonly rbac: RbacExplanation | undefined;
}

/** What explaining filters needs beside the stream. */
export interface FilterCircumstances {
  readonly table: RouteConfig | undefined;
  readonly nowMs: number;
}

const PREFIX = 'type.googleapis.com/';
const PASSES = {
  verdict: 'passes',
  answer: undefined,
  answerRatio: undefined,
  delay: undefined,
  rbac: undefined,
} as const;
const NEVER = (): number => 0.999_999_999;
const ALWAYS = (): number => 0;

/**
 * What the filters of a chain do with one request, in their order, up to the first that always answers.
 *
 * The request is changed as they would change it. Chance is taken as letting the request pass, where it may.
 */
export function explainFilters(
  filters: readonly (HttpFilterConfig | DiscoveredHttpFilterConfig)[],
  head: RequestHead,
  stream: ExplainedStream,
  circumstances: FilterCircumstances,
): readonly ExplainedFilter[] {
  const explained: ExplainedFilter[] = [];
  for (const filter of filters.slice(0, -1)) {
    const override = filterOverride(filter.name, stream.route, stream.weightedCluster, circumstances.table);
    const one =
      override === FILTER_DISABLED || (filter.disabled && override === undefined)
        ? { ...PASSES, verdict: 'off' as const, text: 'is switched off here' }
        : explainFilter(filter, override, head, stream, circumstances);
    explained.push({ name: filter.name, ...one });
    if (one.verdict === 'answers') break;
  }
  return explained;
}

function explainFilter(
  filter: HttpFilterConfig | DiscoveredHttpFilterConfig,
  override: unknown,
  head: RequestHead,
  stream: ExplainedStream,
  { nowMs, table }: FilterCircumstances,
): Omit<ExplainedFilter, 'name'> {
  if ('discovery' in filter) {
    return { ...PASSES, text: 'does what is fetched apart (ECDS), which is not known here' };
  }
  const { typeUrl, config } = filter;
  switch (typeUrl.slice(PREFIX.length)) {
    case 'envoy.extensions.filters.http.fault.v3.HTTPFault':
      return explainFault((override ?? config) as FaultConfig, head, stream);
    case 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit':
      return explainRateLimit((override ?? config) as LocalRateLimitConfig, head, stream);
    case 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication':
      return explainJwt(
        config as JwtAuthnConfig,
        override as JwtRouteConfig | undefined,
        head,
        stream,
        nowMs,
      );
    case 'envoy.extensions.filters.http.rbac.v3.RBAC':
      return explainPolicies((override ?? config) as RbacFilterConfig, head, stream);
    case 'envoy.extensions.filters.http.cors.v3.Cors': {
      const levels = filterOverrides(filter.name, stream.route, stream.weightedCluster, table);
      const policy = effectiveCorsPolicy(levels);
      const answer = policy && decideCors(policy, head, ALWAYS)?.answer;
      if (answer === undefined || stream.route?.route.action.kind !== 'forward') {
        return { ...PASSES, text: 'answers no preflight here' };
      }
      return { ...PASSES, verdict: 'answers', text: answer.reason, answer, answerRatio: 1 };
    }
    default:
      return { ...PASSES, verdict: 'watches', text: 'looks, and stops nothing' };
  }
}

function explainFault(
  config: FaultConfig,
  head: RequestHead,
  stream: ExplainedStream,
): Omit<ExplainedFilter, 'name'> {
  const most = decideFault(config, head, stream.clusterName, ALWAYS);
  const least = decideFault(config, head, stream.clusterName, NEVER);
  if (most.delayMs === 0 && most.abort === undefined)
    return { ...PASSES, text: 'injects no fault into this request' };
  const delay =
    most.delayMs === 0
      ? undefined
      : { delayMs: most.delayMs, ratio: least.delayMs > 0 ? 1 : (config.delay?.ratio ?? 0) };
  const answer = most.abort && faultAbort(most.abort);
  const answerRatio = answer && (least.abort === undefined ? (config.abort?.ratio ?? 0) : 1);
  const parts = [
    ...(delay === undefined ? [] : [`holds ${percent(delay.ratio)} for ${delay.delayMs} ms`]),
    ...(answer === undefined
      ? []
      : [
          `answers ${percent(answerRatio)} with ${
            answer.grpcStatus === undefined ? String(answer.status) : `gRPC status ${answer.grpcStatus}`
          }`,
        ]),
  ];
  const verdict = answer === undefined ? 'delays' : answerRatio === 1 ? 'answers' : 'may-answer';
  return { ...PASSES, verdict, text: parts.join(', '), answer, answerRatio, delay };
}

function explainRateLimit(
  config: LocalRateLimitConfig,
  head: RequestHead,
  stream: ExplainedStream,
): Omit<ExplainedFilter, 'name'> {
  if (config.enabledRatio === 0) return { ...PASSES, text: 'limits nothing' };
  const descriptors = requestDescriptors(config, stream.route, head, stream);
  const { bucket } = new LocalRateLimiter(config, 0).take(descriptors, 0);
  if (bucket === undefined) return { ...PASSES, text: 'has no limit for this request' };
  const { maxTokens, fillPerSecond } = bucket.config;
  const text = `lets ${maxTokens} through at once, and ${roundTo(fillPerSecond, 3)} a second after that${config.perConnection ? ', of each connection' : ''}`;
  if (config.enforcedRatio === 0) return { ...PASSES, text: `${text}; it only counts the others` };
  const answer = localRateLimited(config.status, config.grpcResourceExhausted ? 8 : undefined);
  return { ...PASSES, verdict: 'may-answer', text: `${text}; then ${config.status}`, answer };
}

function explainPolicies(
  { rules }: RbacFilterConfig,
  head: RequestHead,
  stream: ExplainedStream,
): Omit<ExplainedFilter, 'name'> {
  if (rules === undefined) return { ...PASSES, text: 'no policy is enforced here' };
  stream.request = head;
  const rbac = explainRbac(rules, stream);
  const common = { ...PASSES, text: rbac.reason, rbac };
  if (rbac.allowed) return common;
  return { ...common, verdict: 'answers', answer: rbacDenied(rbac), answerRatio: 1 };
}

function explainJwt(
  config: JwtAuthnConfig,
  route: JwtRouteConfig | undefined,
  head: RequestHead,
  stream: ExplainedStream,
  nowMs: number,
): Omit<ExplainedFilter, 'name'> {
  for (const name of config.reservedHeaders) head.headers.remove(name);
  if (config.bypassCorsPreflight && isCorsPreflight(head))
    return { ...PASSES, text: 'a CORS preflight needs no token' };
  const requirement = requirementFor(config, route, head, ALWAYS);
  if (requirement === undefined) {
    const answer = unknownRequirement(route?.requirementName ?? '', config);
    return { ...PASSES, verdict: 'answers', text: answer.reason, answer, answerRatio: 1 };
  }
  if (requirement.kind === 'none') return { ...PASSES, text: 'asks for no token here' };
  const check: JwtCheck = {
    head,
    verifier: { remembered: () => undefined, verify },
    nowSeconds: Math.floor(nowMs / 1000),
    metadata: undefined,
  };
  const failure = checkRequirement(requirement, check);
  if (check.metadata !== undefined) {
    stream.metadata = new Map([...(stream.metadata ?? []), ['envoy.filters.http.jwt_authn', check.metadata]]);
  }
  if (failure === undefined) {
    const text = check.metadata === undefined ? 'no token, and none is demanded' : 'the token is good';
    return { ...PASSES, text };
  }
  const answer = tokenRefused(failure, head, config);
  return { ...PASSES, verdict: 'answers', text: answer.reason, answer, answerRatio: 1 };
}

/** Every time anew: nothing is remembered of a request that is only explained. Keys in files of the proxy are not known here. */
function verify(provider: JwtProviderConfig, jwt: ParsedJwt): AcceptedJwt | JwtFailure {
  const keys = provider.keys.kind === 'inline' ? provider.keys.keys : [];
  return verifySignature(jwt, keys.map(createSignatureKey)) ?? acceptJwt(jwt, provider);
}

function percent(ratio: number | undefined): string {
  return ratio === undefined || ratio >= 1 ? 'every request' : `${roundTo(ratio * 100, 4)} % of requests`;
}

function roundTo(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
