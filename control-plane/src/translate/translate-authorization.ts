import { envoy, packAny } from '@heddle/xds-protos';
import {
  isOfRequests,
  type AuthorizationCondition,
  type AuthorizationPolicy,
  type AuthorizationRule,
} from '../model/authorization-policy.js';
import { clusterDomain } from '../model/hostname.js';
import type { MeshModel } from '../model/mesh-model.js';
import type { PolicySubject } from '../model/policy-target.js';
import {
  cidrOf,
  claimValuesMatcher,
  headerMatcher,
  hostMatchers,
  namespaceMatcher,
  pathMatcher,
  PEER_PRINCIPAL,
  principalMatcher,
  requestPrincipalMatchers,
  serviceAccountMatcher,
  textMatcher,
} from './authorization-matchers.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type NetworkFilter = envoy.config.listener.v3.IFilter;
type Rbac = envoy.config.rbac.v3.IRBAC;
type Policy = envoy.config.rbac.v3.IPolicy;
type Permission = envoy.config.rbac.v3.IPermission;
type Principal = envoy.config.rbac.v3.IPrincipal;

const { ALLOW, DENY, LOG } = envoy.config.rbac.v3.RBAC.Action;

/** In the order in which they decide. Source: Istio. */
const ACTIONS = [
  { action: 'audit', number: LOG, shadowPrefix: '' },
  { action: 'deny', number: DENY, shadowPrefix: 'istio_dry_run_deny_' },
  { action: 'allow', number: ALLOW, shadowPrefix: 'istio_dry_run_allow_' },
] as const;

/** What a port of a workload lets in, or a gateway. */
export interface GuardedPort {
  readonly model: MeshModel;
  readonly subject: PolicySubject;
  /** The port by which policies know it: the workload's own, or that of a gateway's server; undefined: whichever it was called on. */
  readonly port: number | undefined;
  /** Its connections came through tunnels: who calls is known by the filter state and not by TLS. */
  readonly isTunnelled?: boolean;
}

/** The filters that let requests in by policies: one for each action that there are policies for. Source: Istio's BuildHTTP. */
export function requestPolicyFilters(place: GuardedPort): HttpFilter[] {
  return rbacsOf(place, false).map((rules) => ({
    name: 'envoy.filters.http.rbac',
    typedConfig: packAny(envoy.extensions.filters.http.rbac.v3.RBAC, { ...rules, trackPerRuleStats: true }),
  }));
}

/** The same for connections that carry no requests. Source: Istio's BuildTCP. */
export function connectionPolicyFilters(place: GuardedPort): NetworkFilter[] {
  return rbacsOf(place, true).map((rules) => ({
    name: 'envoy.filters.network.rbac',
    typedConfig: packAny(envoy.extensions.filters.network.rbac.v3.RBAC, { ...rules, statPrefix: 'tcp.' }),
  }));
}

interface RbacRules {
  readonly rules?: Rbac;
  readonly shadowRules?: Rbac;
  readonly shadowRulesStatPrefix?: string;
}

function rbacsOf(place: GuardedPort, forConnections: boolean): RbacRules[] {
  const { model, subject } = place;
  if (model.authorizationPolicies.policies.length === 0) return [];
  const policies = model.authorizationPolicies.all(subject);
  return ACTIONS.flatMap(({ action, number, shadowPrefix }) => {
    const ofAction = policies.filter((policy) => policy.action === action);
    if (ofAction.length === 0) return [];
    const enforced = ofAction.filter(({ dryRun }) => !dryRun);
    const tried = ofAction.filter(({ dryRun }) => dryRun);
    const rbac = (some: readonly AuthorizationPolicy[]): Rbac => ({
      action: number,
      policies: Object.fromEntries(some.flatMap((policy) => policiesOf(policy, place, forConnections))),
    });
    return {
      ...(enforced.length === 0 ? {} : { rules: rbac(enforced) }),
      ...(tried.length === 0 ? {} : { shadowRules: rbac(tried), shadowRulesStatPrefix: shadowPrefix }),
    };
  });
}

const never: Policy = {
  permissions: [{ notRule: { any: true } }],
  principals: [{ notId: { any: true } }],
};

/** By name. A policy without rules is there all the same, by a rule that matches nothing. */
function policiesOf(
  policy: AuthorizationPolicy,
  place: GuardedPort,
  forConnections: boolean,
): [name: string, policy: Policy][] {
  const { namespace, name } = policy.target;
  const prefix = `ns[${namespace}]-policy[${name}]-`;
  if (policy.standsIn) return [[`${prefix}invalid`, everything]];
  if (policy.rules.length === 0) return [[`${prefix}rule[0]`, never]];
  return policy.rules.flatMap((rule, i) => {
    const made = policyOf(rule, policy.action, place, forConnections);
    return made === undefined ? [] : [[`${prefix}rule[${i}]`, made] as [string, Policy]];
  });
}

const everything: Policy = { permissions: [{ any: true }], principals: [{ any: true }] };

/**
 * Undefined: the rule has no force for connections.
 *
 * Source: Istio: what only requests have makes a rule that allows void for connections, and is left out of one that denies (or
 * logs), which so denies more.
 */
function policyOf(
  { sources, operations }: AuthorizationRule,
  action: AuthorizationPolicy['action'],
  place: GuardedPort,
  forConnections: boolean,
): Policy | undefined {
  const fits = ({ attribute }: AuthorizationCondition): boolean =>
    !forConnections || !isOfRequests(attribute);
  if (action === 'allow' && ![...sources, ...operations].flat().every(fits)) return undefined;
  return {
    permissions: operations.map((conditions) => {
      const rules = conditions.filter(fits).flatMap((condition) => permissionsOf(condition, place));
      return { andRules: { rules: rules.length === 0 ? [{ any: true }] : rules } };
    }),
    principals: sources.map((conditions) => {
      const ids = conditions.filter(fits).flatMap((condition) => principalsOf(condition, place));
      return { andIds: { ids: ids.length === 0 ? [{ any: true }] : ids } };
    }),
  };
}

/** One of the values, and none of the others. */
function permissionsOf(condition: AuthorizationCondition, place: GuardedPort): Permission[] {
  const anyOf = (values: readonly string[]): Permission => ({
    orRules: { rules: values.flatMap((value) => permissionOf(condition, value, place)) },
  });
  const { values, notValues } = condition;
  return [
    ...(values.length === 0 ? [] : [anyOf(values)]),
    ...(notValues.length === 0 ? [] : [{ notRule: anyOf(notValues) }]),
  ];
}

function permissionOf(
  { attribute }: AuthorizationCondition,
  value: string,
  place: GuardedPort,
): Permission[] {
  switch (attribute) {
    case 'host':
      return hostMatchers(value).map((header) => ({ header }));
    case 'method':
      return [{ header: headerMatcher(':method', value) }];
    case 'path':
      return [{ urlPath: pathMatcher(value) }];
    case 'port':
      if (place.port === undefined) return [{ destinationPort: Number(value) }];
      // Which port this is, is known here; where the proxy listens for it may be another.
      return [Number(value) === place.port ? { any: true } : { notRule: { any: true } }];
    case 'destination-ip':
      return [{ destinationIp: cidrOf(value) }];
    case 'server-name':
      return [{ requestedServerName: textMatcher(value) }];
    default:
      throw new TypeError(`${attribute} is asked of who calls`);
  }
}

function principalsOf(condition: AuthorizationCondition, place: GuardedPort): Principal[] {
  const anyOf = (values: readonly string[]): Principal => ({
    orIds: { ids: idsOf(condition, values, place) },
  });
  const { values, notValues } = condition;
  return [
    ...(values.length === 0 ? [] : [anyOf(values)]),
    ...(notValues.length === 0 ? [] : [{ notId: anyOf(notValues) }]),
  ];
}

function idsOf(
  { attribute, path }: AuthorizationCondition,
  values: readonly string[],
  { model, isTunnelled = false }: GuardedPort,
): Principal[] {
  const named = (
    matcherOf: (value: string) => envoy.type.matcher.v3.IStringMatcher,
    from: readonly string[] = values,
  ): Principal[] => from.map((value) => callerIs(matcherOf(value), isTunnelled));
  switch (attribute) {
    case 'principal': {
      const { trustDomain } = model.settings;
      return named(
        principalMatcher,
        values.map((value) => inTrustDomain(value, trustDomain)),
      );
    }
    case 'namespace':
      return named(namespaceMatcher);
    case 'service-account':
      return named(serviceAccountMatcher);
    case 'peer-ip':
      return values.map((value) => ({ directRemoteIp: cidrOf(value) }));
    case 'client-ip':
      return values.map((value) => ({ remoteIp: cidrOf(value) }));
    case 'header':
      return values.map((value) => ({ header: headerMatcher(path[0] ?? '', value) }));
    case 'request-principal':
      return values.map((value) => ({
        andIds: { ids: requestPrincipalMatchers(value).map((metadata) => ({ metadata })) },
      }));
    case 'audience':
      return [{ metadata: claimValuesMatcher(['aud'], values) }];
    case 'presenter':
      return [{ metadata: claimValuesMatcher(['azp'], values) }];
    case 'claim':
      return [{ metadata: claimValuesMatcher(path, values) }];
    default:
      throw new TypeError(`${attribute} is asked of what is called`);
  }
}

function callerIs(stringMatch: envoy.type.matcher.v3.IStringMatcher, isTunnelled: boolean): Principal {
  if (isTunnelled) return { filterState: { key: PEER_PRINCIPAL, stringMatch } };
  return { authenticated: { principalName: stringMatch } };
}

/**
 * `cluster.local` stands for the mesh's own trust domain, whatever that is.
 *
 * Source: Istio's trust domain bundle. A star in the trust domain is left as it is where it matches already.
 */
function inTrustDomain(principal: string, trustDomain: string): string {
  const parts = principal.split('/');
  const [own = ''] = parts;
  if (parts.length !== 5 || own !== clusterDomain) return principal;
  return [trustDomain, ...parts.slice(1)].join('/');
}
