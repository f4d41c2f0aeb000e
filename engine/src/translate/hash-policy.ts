import type { envoy } from '@heddle/xds-protos';
import type { HashPolicyConfig } from '../config/route-config.js';
import type { Findings } from './findings.js';
import { checkHeaderName, hasControls, translateSubstitution } from './matchers.js';
import { durationMs, requiredText } from './proto-values.js';

type HashPolicy = envoy.config.route.v3.RouteAction.HashPolicy;

/** Source: envoy.config.route.v3.RouteAction.hash_policy; what we do not know adds nothing to a hash. */
export function translateHashPolicies(
  policies: readonly HashPolicy[],
  path: string,
  findings: Findings,
): readonly HashPolicyConfig[] {
  return policies.flatMap((policy, i) => translateHashPolicy(policy, `${path}[${i}]`, findings) ?? []);
}

function translateHashPolicy(
  policy: HashPolicy,
  path: string,
  findings: Findings,
): HashPolicyConfig | undefined {
  const { terminal, header, cookie, connectionProperties, queryParameter } = policy;
  switch (policy.policySpecifier) {
    case 'header': {
      const name = header?.headerName ?? '';
      checkHeaderName(name, `${path}.header.header_name`, findings);
      const rewrite = header?.regexRewrite ?? null;
      const at = `${path}.header.regex_rewrite`;
      return {
        kind: 'header',
        name: name.toLowerCase(),
        regexRewrite: rewrite === null ? undefined : translateSubstitution(rewrite, at, findings),
        terminal,
      };
    }
    case 'cookie': {
      const at = `${path}.cookie`;
      const attributes = (cookie?.attributes ?? []).map(({ name, value }) => [name, value] as const);
      const texts = [cookie?.name ?? '', cookie?.path ?? '', ...attributes.flat()];
      if (texts.some((text) => hasControls(text) || text.includes(';'))) {
        findings.problem(at, 'must not hold CR, LF, NUL or a semicolon');
      }
      return {
        kind: 'cookie',
        name: requiredText(cookie?.name ?? '', `${at}.name`, findings),
        ttlMs: durationMs(cookie?.ttl ?? null, undefined, `${at}.ttl`, findings),
        path: cookie?.path ?? '',
        attributes,
        terminal,
      };
    }
    case 'connectionProperties':
      return connectionProperties?.sourceIp === true ? { kind: 'source-ip', terminal } : undefined;
    case 'queryParameter': {
      const name = requiredText(queryParameter?.name ?? '', `${path}.query_parameter.name`, findings);
      return { kind: 'query', name, terminal };
    }
    case 'filterState':
      findings.unsupported(`${path}.filter_state`, true, 'warning');
      return undefined;
    case undefined:
      findings.problem(path, 'one of header, cookie, connection_properties or query_parameter must be set');
      return undefined;
  }
}
