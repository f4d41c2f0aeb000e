import type { envoy } from '@heddle/xds-protos';
import type { RouteMatchConfig } from '../config/route-config.js';
import type { Findings } from './findings.js';
import { translateHeaderMatcher, translateQueryParameterMatcher, translateRegex } from './matchers.js';
import { fractionRatio } from './proto-values.js';

/** Source: envoy.config.route.v3.RouteMatch. Whatever is not understood is a problem: it would widen the match. */
export function translateRouteMatch(
  match: envoy.config.route.v3.RouteMatch,
  path: string,
  findings: Findings,
): RouteMatchConfig {
  findings.unsupported(`${path}.tls_context`, match.tlsContext !== null, 'problem');
  findings.unsupported(`${path}.dynamic_metadata`, match.dynamicMetadata.length > 0, 'problem');
  if (match.runtimeFraction !== null && match.runtimeFraction.defaultValue === null) {
    findings.problem(`${path}.runtime_fraction.default_value`, 'must be set');
  }
  const key = match.runtimeFraction?.runtimeKey ?? '';
  return {
    path: translatePath(match, path, findings),
    caseSensitive: match.caseSensitive?.value ?? true,
    headers: match.headers.map((matcher, i) =>
      translateHeaderMatcher(matcher, `${path}.headers[${i}]`, findings),
    ),
    queryParameters: match.queryParameters.map((matcher, i) =>
      translateQueryParameterMatcher(matcher, `${path}.query_parameters[${i}]`, findings),
    ),
    runtimeFraction: fractionRatio(
      match.runtimeFraction?.defaultValue ?? null,
      1,
      `${path}.runtime_fraction.default_value`,
      findings,
    ),
    grpcOnly: match.grpc !== null,
    ...(key === '' ? {} : { runtimeKey: key }),
  };
}

function translatePath(
  match: envoy.config.route.v3.RouteMatch,
  path: string,
  findings: Findings,
): RouteMatchConfig['path'] {
  switch (match.pathSpecifier) {
    case 'prefix':
      return { kind: 'prefix', value: match.prefix ?? '' };
    case 'path':
      return { kind: 'exact', value: match.path ?? '' };
    case 'safeRegex':
      return { kind: 'regex', regex: translateRegex(match.safeRegex, `${path}.safe_regex`, findings) };
    case 'connectMatcher':
      return { kind: 'connect' };
    case 'pathSeparatedPrefix': {
      const value = match.pathSeparatedPrefix ?? '';
      if (!/^[^?#]+[^?#/]$/.test(value)) {
        findings.problem(
          `${path}.path_separated_prefix`,
          `${JSON.stringify(value)} must have two characters or more, hold no "?" or "#", and not end in "/"`,
        );
      }
      return { kind: 'path-separated-prefix', value };
    }
    case 'pathMatchPolicy':
      findings.problem(`${path}.path_match_policy`, 'is not supported');
      return { kind: 'connect' };
    case undefined:
      findings.problem(
        path,
        'one of prefix, path, safe_regex, path_separated_prefix or connect_matcher must be set',
      );
      return { kind: 'connect' };
  }
}
