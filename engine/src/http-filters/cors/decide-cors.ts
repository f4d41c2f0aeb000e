import type { Random } from '@heddle/common';
import type { RuntimeSettings } from '../../config/runtime-config.js';
import type { LocalReply } from '../../http/local-reply.js';
import type { HeaderMap } from '../../http/header-map.js';
import type { RequestHead } from '../../http/message-head.js';
import { stringMatches } from '../../route/string-match.js';
import { isCorsPreflight } from '../jwt-authn/cors-preflight.js';
import type { CorsPolicyConfig } from './config.js';

/** What a policy makes of a request of another origin. */
export interface CorsDecision {
  /** What goes on the response; undefined: the origin is not allowed. */
  readonly origin: string | undefined;
  /** The answer to a preflight; undefined: the request goes on. */
  readonly answer: LocalReply | undefined;
}

/**
 * Decides about one request; undefined: the policy has nothing to do with it.
 *
 * Source: Envoy's filter and the Fetch standard, section 3.2.
 */
export function decideCors(
  policy: CorsPolicyConfig,
  head: RequestHead,
  random: Random,
  settings?: RuntimeSettings,
): CorsDecision | undefined {
  const origin = head.headers.get('origin') ?? '';
  if (origin === '') return undefined;
  const share = settings?.ratio(policy.enabledKey, policy.enabledRatio) ?? policy.enabledRatio;
  if (share < 1 && random() >= share) return undefined;
  const isAllowed = policy.allowOrigins.some(
    (matcher) => stringMatches(matcher, '*') || stringMatches(matcher, origin),
  );
  const allowed = isAllowed ? origin : undefined;
  const isAnswered = isCorsPreflight(head) && (isAllowed || policy.forwardNotMatchingPreflights === false);
  return { origin: allowed, answer: isAnswered ? preflightAnswer(policy, head, allowed) : undefined };
}

/** Writes on a response what its origin may read of it. */
export function allowOrigin(policy: CorsPolicyConfig, origin: string, headers: HeaderMap): void {
  headers.set('access-control-allow-origin', origin);
  if (policy.allowCredentials === true) headers.set('access-control-allow-credentials', 'true');
  if (policy.exposeHeaders !== '') headers.set('access-control-expose-headers', policy.exposeHeaders);
}

function preflightAnswer(
  policy: CorsPolicyConfig,
  { headers: asked }: RequestHead,
  origin: string | undefined,
): LocalReply {
  const headers: [string, string][] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') headers.push([`access-control-${name}`, value]);
  };
  const orAsked = (allowed: string, name: string): string | undefined =>
    allowed === '*' ? asked.get(`access-control-request-${name}`) : allowed;
  add('allow-origin', origin);
  add('allow-credentials', policy.allowCredentials === true ? 'true' : undefined);
  add('allow-methods', orAsked(policy.allowMethods, 'method'));
  add('allow-headers', orAsked(policy.allowHeaders, 'headers'));
  add('max-age', policy.maxAge);
  const ofPrivateNetwork = asked.get('access-control-request-private-network') === 'true';
  if (policy.allowPrivateNetworkAccess === true && ofPrivateNetwork) {
    add('allow-private-network', 'true');
  }
  return {
    status: 200,
    flag: undefined,
    details: 'cors_response',
    reason: 'the preflight of another origin is answered by the policy of the route',
    body: '',
    headers,
  };
}
