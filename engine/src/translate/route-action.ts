import type { envoy, google } from '@heddle/xds-protos';
import type { ForwardAction, GrpcTimeoutConfig, RetryConfig } from '../config/route-config.js';
import type { Findings } from './findings.js';
import { translateHashPolicies } from './hash-policy.js';
import { checkHeaderName, hasControls, translateSubstitution } from './matchers.js';
import { durationMs, enumName } from './proto-values.js';
import { translateRateLimits } from './rate-limits.js';
import { translateRetryPolicy } from './retry-policy.js';
import { translateRouteTarget } from './route-target.js';

type Action = envoy.config.route.v3.RouteAction;

const NOT_FOUND_STATUS = [503, 404, 500];

/** Envoy's default for a route's timeout. */
const DEFAULT_TIMEOUT_MS = 15_000;

/** What routes without a retry policy of their own take from their virtual host, and how much of a request is kept for it. */
export interface RetryOfHost {
  readonly retry: RetryConfig | undefined;
  /** undefined: as much as the listener allows. */
  readonly bufferLimitBytes: number | undefined;
}

/** Source: envoy.config.route.v3.RouteAction. */
export function translateRouteAction(
  action: Action,
  ofHost: RetryOfHost,
  path: string,
  findings: Findings,
): ForwardAction {
  reportUnsupported(action, path, findings);
  const status = NOT_FOUND_STATUS[action.clusterNotFoundResponseCode];
  if (status === undefined) {
    findings.problem(
      `${path}.cluster_not_found_response_code`,
      `unknown value ${action.clusterNotFoundResponseCode}`,
    );
  }
  const rewrites = [
    action.prefixRewrite !== '' && 'prefix_rewrite',
    action.regexRewrite !== null && 'regex_rewrite',
    action.pathRewritePolicy !== null && 'path_rewrite_policy',
  ].filter((name) => name !== false);
  if (rewrites.length > 1) findings.problem(path, `only one of ${rewrites.join(', ')} may be set`);
  if (hasControls(action.prefixRewrite))
    findings.problem(`${path}.prefix_rewrite`, 'must not hold CR, LF or NUL');
  return {
    kind: 'forward',
    target: translateRouteTarget(action, path, findings),
    clusterNotFoundStatus: status ?? 503,
    prefixRewrite: action.prefixRewrite,
    regexRewrite:
      action.regexRewrite === null
        ? undefined
        : translateSubstitution(action.regexRewrite, `${path}.regex_rewrite`, findings),
    hostRewrite: translateHostRewrite(action, path, findings),
    appendXForwardedHost: action.appendXForwardedHost,
    timeoutMs: translateTimeout(action, path, findings),
    idleTimeoutMs: durationMs(action.idleTimeout, undefined, `${path}.idle_timeout`, findings),
    maxStreamDurationMs: durationMs(
      action.maxStreamDuration?.maxStreamDuration ?? null,
      undefined,
      `${path}.max_stream_duration.max_stream_duration`,
      findings,
    ),
    grpcTimeout: translateGrpcTimeout(action, path, findings),
    priority: enumName(['default', 'high'] as const, action.priority, `${path}.priority`, findings),
    upgradeTypes: translateUpgrades(action, path, findings),
    retry:
      action.retryPolicy === null
        ? ofHost.retry
        : translateRetryPolicy(action.retryPolicy, `${path}.retry_policy`, findings),
    hashPolicies: translateHashPolicies(action.hashPolicy, `${path}.hash_policy`, findings),
    rateLimits: translateRateLimits(action.rateLimits, `${path}.rate_limits`, findings),
    retryBufferLimitBytes: ofHost.bufferLimitBytes ?? Infinity,
  };
}

function translateHostRewrite(
  action: Action,
  path: string,
  findings: Findings,
): ForwardAction['hostRewrite'] {
  switch (action.hostRewriteSpecifier) {
    case 'hostRewriteLiteral': {
      const value = action.hostRewriteLiteral ?? '';
      if (hasControls(value)) findings.problem(`${path}.host_rewrite_literal`, 'must not hold CR, LF or NUL');
      return value === '' ? { kind: 'none' } : { kind: 'literal', value };
    }
    case 'autoHostRewrite':
      return { kind: action.autoHostRewrite?.value === true ? 'auto' : 'none' };
    case 'hostRewriteHeader': {
      const name = action.hostRewriteHeader ?? '';
      checkHeaderName(name, `${path}.host_rewrite_header`, findings);
      return { kind: 'header', name: name.toLowerCase() };
    }
    case 'hostRewritePathRegex':
      if (action.hostRewritePathRegex === null) return { kind: 'none' };
      return {
        kind: 'path-regex',
        ...translateSubstitution(action.hostRewritePathRegex, `${path}.host_rewrite_path_regex`, findings),
      };
    case undefined:
      return { kind: 'none' };
  }
}

function translateUpgrades(action: Action, path: string, findings: Findings): ForwardAction['upgradeTypes'] {
  const seen = new Set<string>();
  return action.upgradeConfigs.map((upgrade, i) => {
    const at = `${path}.upgrade_configs[${i}]`;
    const type = upgrade.upgradeType.toLowerCase();
    if (type === '') findings.problem(`${at}.upgrade_type`, 'must not be empty');
    if (seen.has(type)) findings.problem(`${at}.upgrade_type`, `${JSON.stringify(type)} is listed twice`);
    seen.add(type);
    const connect = upgrade.connectConfig;
    if (connect !== null && type !== 'connect')
      findings.problem(`${at}.connect_config`, 'is for upgrades of type CONNECT alone');
    findings.unsupported(
      `${at}.connect_config.proxy_protocol_config`,
      (connect?.proxyProtocolConfig ?? null) !== null,
      'problem',
    );
    findings.unsupported(`${at}.connect_config.allow_post`, connect?.allowPost === true, 'problem');
    return { type, enabled: upgrade.enabled?.value ?? true, terminates: connect !== null };
  });
}

function reportUnsupported(action: Action, path: string, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'problem');
  const warning = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'warning');
  problem('path_rewrite_policy', action.pathRewritePolicy !== null);
  problem('request_mirror_policies', action.requestMirrorPolicies.length > 0);
  problem('retry_policy_typed_config', action.retryPolicyTypedConfig !== null);
  warning('metadata_match', action.metadataMatch !== null);
  warning('early_data_policy', action.earlyDataPolicy !== null);
  warning('include_vh_rate_limits', action.includeVhRateLimits !== null);
  warning('cors', action.cors !== null);
  warning('internal_redirect_policy', action.internalRedirectPolicy !== null);
  warning('internal_redirect_action', action.internalRedirectAction !== 0);
  warning('hedge_policy', action.hedgePolicy !== null);
}

/** Source: Envoy: a route that bounds the duration of streams has no other timeout. */
function translateTimeout(action: Action, path: string, findings: Findings): number {
  const timeoutMs = durationMs(action.timeout, DEFAULT_TIMEOUT_MS, `${path}.timeout`, findings);
  if (action.maxStreamDuration === null) return timeoutMs;
  if (action.timeout !== null && timeoutMs > 0) {
    findings.warn(`${path}.timeout`, 'has no effect beside max_stream_duration');
  }
  return 0;
}

/** Source: `max_stream_duration.grpc_timeout_header_max`, and `max_grpc_timeout` before it. */
function translateGrpcTimeout(
  action: Action,
  path: string,
  findings: Findings,
): GrpcTimeoutConfig | undefined {
  const config = (
    of: GrpcTimeoutConfig['of'],
    most: google.protobuf.Duration | null,
    offset: google.protobuf.Duration | null,
    at: string,
  ): GrpcTimeoutConfig | undefined => {
    const offsetMs = durationMs(offset, 0, `${at}_offset`, findings);
    return most === null ? undefined : { of, mostMs: durationMs(most, 0, at, findings), offsetMs };
  };
  const { maxStreamDuration, maxGrpcTimeout, grpcTimeoutOffset } = action;
  if (maxStreamDuration === null) {
    return config('request', maxGrpcTimeout, grpcTimeoutOffset, `${path}.max_grpc_timeout`);
  }
  const { grpcTimeoutHeaderMax, grpcTimeoutHeaderOffset } = maxStreamDuration;
  const at = `${path}.max_stream_duration.grpc_timeout_header`;
  return config('stream', grpcTimeoutHeaderMax, grpcTimeoutHeaderOffset, at);
}
