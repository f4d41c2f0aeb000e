import { envoy } from '@heddle/xds-protos';
import type { Translated } from '../../config/problem.js';
import type { StringMatchConfig } from '../../config/route-config.js';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { hasControls, translateStringMatcher } from '../../translate/matchers.js';
import { deepFreeze, fractionRatio } from '../../translate/proto-values.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { Cors, CorsPolicy } = envoy.extensions.filters.http.cors.v3;

/**
 * What other origins may do, as one level of the routes says it. What is left out, or empty, the next level says.
 *
 * Source: envoy.extensions.filters.http.cors.v3.CorsPolicy.
 */
export interface CorsPolicyConfig {
  /** The share of requests that it is applied to, 0..1. */
  readonly enabledRatio: number;
  /** The runtime setting that stands in for it. Left out: none does. */
  readonly enabledKey?: string;
  readonly allowOrigins: readonly StringMatchConfig[];
  /** As they are written in answers; empty: not written; `*`: what was asked for. */
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  /** Whether the upstream answers preflights of origins that are not allowed. Left out: it does. */
  readonly forwardNotMatchingPreflights: boolean | undefined;
}

/** The filter says nothing by itself: what is allowed stands on routes. */
export const corsFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.cors',
  typeUrl: `type.googleapis.com/${Cors.typeName}`,
  perRouteTypeUrl: `type.googleapis.com/${CorsPolicy.typeName}`,
  terminal: false,
  parse(bytes, path) {
    const findings = new Findings();
    decodeAs(bytes, Cors, path, findings);
    return findings.finish({});
  },
  parsePerRoute: parseCorsPolicy,
};

function parseCorsPolicy(bytes: Uint8Array, path: string): Translated<CorsPolicyConfig> {
  const findings = new Findings();
  const policy = decodeAs(bytes, CorsPolicy, path, findings, true) ?? CorsPolicy.create();
  const text = (value: string, field: string): string => {
    if (hasControls(value)) findings.problem(`${path}.${field}`, 'must not hold CR, LF or NUL');
    return value;
  };
  findings.unsupported(`${path}.shadow_enabled`, policy.shadowEnabled !== null, 'warning');
  const enabledKey = policy.filterEnabled?.runtimeKey ?? '';
  return findings.finish(
    deepFreeze({
      enabledRatio: fractionRatio(
        policy.filterEnabled?.defaultValue ?? null,
        1,
        `${path}.filter_enabled.default_value`,
        findings,
      ),
      ...(enabledKey === '' ? {} : { enabledKey }),
      allowOrigins: policy.allowOriginStringMatch.map((matcher, i) =>
        translateStringMatcher(matcher, `${path}.allow_origin_string_match[${i}]`, findings),
      ),
      allowMethods: text(policy.allowMethods, 'allow_methods'),
      allowHeaders: text(policy.allowHeaders, 'allow_headers'),
      exposeHeaders: text(policy.exposeHeaders, 'expose_headers'),
      maxAge: text(policy.maxAge, 'max_age'),
      allowCredentials: policy.allowCredentials?.value,
      allowPrivateNetworkAccess: policy.allowPrivateNetworkAccess?.value,
      forwardNotMatchingPreflights: policy.forwardNotMatchingPreflights?.value,
    }),
  );
}
