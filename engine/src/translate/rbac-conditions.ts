import type { envoy } from '@heddle/xds-protos';
import type { RbacCondition } from '../config/rbac-config.js';
import { translateCidr } from './address.js';
import { PEER_PRINCIPAL_KEY } from '../http/stream-info.js';
import type { Findings } from './findings.js';
import { translateHeaderMatcher, translateStringMatcher } from './matchers.js';
import { translateMetadataMatcher } from './metadata-matcher.js';

type Permission = envoy.config.rbac.v3.Permission;
type Principal = envoy.config.rbac.v3.Principal;

/** What decisions are about: connections have no headers and no path. */
export type RbacScope = 'request' | 'connection';

/** The filter state in which Istio's proxies keep the SPIFFE ID of their peer. */

const ANY: RbacCondition = { kind: 'any' };
/** Stands for what was refused; never comes to run. */
const NEVER: RbacCondition = { kind: 'not', condition: ANY };

/** Source: envoy.config.rbac.v3.Permission. */
export function translatePermission(
  permission: Permission,
  scope: RbacScope,
  path: string,
  findings: Findings,
): RbacCondition {
  const kind = permission.rule;
  const at = (field: string): string => `${path}.${field}`;
  switch (kind) {
    case 'andRules':
    case 'orRules': {
      const field = at(kind === 'andRules' ? 'and_rules' : 'or_rules');
      const rules = requiredList(permission[kind]?.rules, `${field}.rules`, findings);
      const conditions = rules.map((rule, i) =>
        translatePermission(rule, scope, `${field}.rules[${i}]`, findings),
      );
      return { kind: kind === 'andRules' ? 'and' : 'or', conditions };
    }
    case 'notRule':
      if (permission.notRule === null) break;
      return {
        kind: 'not',
        condition: translatePermission(permission.notRule, scope, at('not_rule'), findings),
      };
    case 'any':
      return translateAny(permission.any, at('any'), findings);
    case 'header':
      return translateHeader(permission.header, scope, at('header'), findings);
    case 'urlPath':
      return translatePath(permission.urlPath, scope, at('url_path'), findings);
    case 'destinationIp':
      return translateIp('destination-ip', permission.destinationIp, at('destination_ip'), findings);
    case 'destinationPort': {
      const port = permission.destinationPort ?? 0;
      if (port > 65_535) findings.problem(at('destination_port'), `must be at most 65535 (is ${port})`);
      return { kind: 'destination-port', first: port, end: port + 1 };
    }
    case 'destinationPortRange':
      return translatePortRange(permission.destinationPortRange, at('destination_port_range'), findings);
    case 'requestedServerName': {
      if (permission.requestedServerName === null) break;
      const matcher = translateStringMatcher(
        permission.requestedServerName,
        at('requested_server_name'),
        findings,
      );
      return { kind: 'server-name', matcher };
    }
    case 'metadata':
      return translateMetadata(permission.metadata, at('metadata'), findings);
    case 'sourcedMetadata':
      return translateSourced(permission.sourcedMetadata, at('sourced_metadata'), findings);
    case 'matcher':
      findings.problem(at('matcher'), 'matchers by extension are not supported');
      return NEVER;
    case 'uriTemplate':
      findings.problem(at('uri_template'), 'templates are not supported: url_path with safe_regex is');
      return NEVER;
    case undefined:
  }
  findings.problem(path, 'says nothing that is known here: a permission must be set');
  return NEVER;
}

/** Source: envoy.config.rbac.v3.Principal. */
export function translatePrincipal(
  principal: Principal,
  scope: RbacScope,
  path: string,
  findings: Findings,
): RbacCondition {
  const kind = principal.identifier;
  const at = (field: string): string => `${path}.${field}`;
  switch (kind) {
    case 'andIds':
    case 'orIds': {
      const field = at(kind === 'andIds' ? 'and_ids' : 'or_ids');
      const ids = requiredList(principal[kind]?.ids, `${field}.ids`, findings);
      const conditions = ids.map((id, i) => translatePrincipal(id, scope, `${field}.ids[${i}]`, findings));
      return { kind: kind === 'andIds' ? 'and' : 'or', conditions };
    }
    case 'notId':
      if (principal.notId === null) break;
      return { kind: 'not', condition: translatePrincipal(principal.notId, scope, at('not_id'), findings) };
    case 'any':
      return translateAny(principal.any, at('any'), findings);
    case 'authenticated': {
      const name = principal.authenticated?.principalName ?? null;
      if (name === null) return { kind: 'authenticated', matcher: undefined };
      const matcher = translateStringMatcher(name, at('authenticated.principal_name'), findings);
      return { kind: 'authenticated', matcher };
    }
    // Both are the peer of the connection: no listener filter changes it here.
    case 'sourceIp':
      return translateIp('direct-remote-ip', principal.sourceIp, at('source_ip'), findings);
    case 'directRemoteIp':
      return translateIp('direct-remote-ip', principal.directRemoteIp, at('direct_remote_ip'), findings);
    case 'remoteIp':
      return translateIp('remote-ip', principal.remoteIp, at('remote_ip'), findings);
    case 'header':
      return translateHeader(principal.header, scope, at('header'), findings);
    case 'urlPath':
      return translatePath(principal.urlPath, scope, at('url_path'), findings);
    case 'metadata':
      return translateMetadata(principal.metadata, at('metadata'), findings);
    case 'sourcedMetadata':
      return translateSourced(principal.sourcedMetadata, at('sourced_metadata'), findings);
    case 'filterState':
      return translateFilterState(principal.filterState, at('filter_state'), findings);
    case 'custom':
      findings.problem(at('custom'), 'principals by extension are not supported');
      return NEVER;
    case undefined:
  }
  findings.problem(path, 'says nothing that is known here: a principal must be set');
  return NEVER;
}

function requiredList<T>(list: readonly T[] | undefined, path: string, findings: Findings): readonly T[] {
  if (list === undefined || list.length === 0) findings.problem(path, 'must have at least one entry');
  return list ?? [];
}

function translateAny(any: boolean | null, path: string, findings: Findings): RbacCondition {
  if (any !== true) findings.problem(path, 'must be true');
  return ANY;
}

function translateHeader(
  header: envoy.config.route.v3.HeaderMatcher | null,
  scope: RbacScope,
  path: string,
  findings: Findings,
): RbacCondition {
  if (scope === 'connection') findings.problem(path, 'a connection has no headers');
  if (header === null) return NEVER;
  return { kind: 'header', header: translateHeaderMatcher(header, path, findings) };
}

function translatePath(
  urlPath: envoy.type.matcher.v3.PathMatcher | null,
  scope: RbacScope,
  path: string,
  findings: Findings,
): RbacCondition {
  if (scope === 'connection') findings.problem(path, 'a connection has no path');
  if (urlPath?.path == null) {
    findings.problem(`${path}.path`, 'must be set');
    return NEVER;
  }
  return { kind: 'path', matcher: translateStringMatcher(urlPath.path, `${path}.path`, findings) };
}

function translateIp(
  kind: 'destination-ip' | 'direct-remote-ip' | 'remote-ip',
  range: envoy.config.core.v3.CidrRange | null,
  path: string,
  findings: Findings,
): RbacCondition {
  if (range === null) {
    findings.problem(path, 'must be set');
    return NEVER;
  }
  return { kind, range: translateCidr(range, path, findings) };
}

function translatePortRange(
  range: envoy.type.v3.Int32Range | null,
  path: string,
  findings: Findings,
): RbacCondition {
  const first = range?.start ?? 0;
  const end = range?.end ?? 0;
  if (first < 0 || end > 65_536 || first >= end) {
    findings.problem(path, `[${first}, ${end}) is no range of ports: 0 ≤ start < end ≤ 65536`);
  }
  return { kind: 'destination-port', first, end };
}

function translateMetadata(
  matcher: envoy.type.matcher.v3.MetadataMatcher | null,
  path: string,
  findings: Findings,
): RbacCondition {
  if (matcher === null) {
    findings.problem(path, 'must be set');
    return NEVER;
  }
  return { kind: 'metadata', metadata: translateMetadataMatcher(matcher, path, findings) };
}

function translateSourced(
  sourced: envoy.config.rbac.v3.SourcedMetadata | null,
  path: string,
  findings: Findings,
): RbacCondition {
  if (sourced !== null && sourced.metadataSource !== 0) {
    findings.problem(`${path}.metadata_source`, 'only DYNAMIC is supported');
  }
  return translateMetadata(sourced?.metadataMatcher ?? null, `${path}.metadata_matcher`, findings);
}

function translateFilterState(
  state: envoy.type.matcher.v3.FilterStateMatcher | null,
  path: string,
  findings: Findings,
): RbacCondition {
  if (state?.key !== PEER_PRINCIPAL_KEY)
    findings.problem(`${path}.key`, `only ${PEER_PRINCIPAL_KEY} is supported`);
  if (state?.stringMatch == null) {
    findings.problem(`${path}.string_match`, 'must be set');
    return NEVER;
  }
  const matcher = translateStringMatcher(state.stringMatch, `${path}.string_match`, findings);
  return { kind: 'peer-principal', matcher };
}
