import type { MeshResource } from './mesh-resource.js';
import type { MeshSettings } from './mesh-settings.js';
import { PolicyIndex, policyTargetOf, type PolicyTarget } from './policy-target.js';
import type {
  AuthorizationOperationSpec,
  AuthorizationPolicySpec,
  AuthorizationRuleSpec,
  AuthorizationSourceSpec,
} from './specs/security.js';

/** An `AuthorizationPolicy`, or what stands in for a security policy that has never been valid. */
export interface AuthorizationPolicy {
  /** `AuthorizationPolicy/NAMESPACE/NAME`. */
  readonly key: string;
  readonly target: PolicyTarget;
  readonly action: 'allow' | 'deny' | 'audit';
  /** Decides as well, and nothing comes of it but statistics. */
  readonly dryRun: boolean;
  /** It stands in for a policy that is not valid. */
  readonly standsIn: boolean;
  /** None: a policy that allows lets nobody in, another one does nothing. */
  readonly rules: readonly AuthorizationRule[];
}

/** Holds when one of the sources and one of the operations does, each when all of its conditions do. */
export interface AuthorizationRule {
  readonly sources: readonly (readonly AuthorizationCondition[])[];
  readonly operations: readonly (readonly AuthorizationCondition[])[];
}

/** What is asked of a request or connection: one of the values, when there are any, and none of the others. */
export interface AuthorizationCondition {
  readonly attribute: AuthorizationAttribute;
  /** The name of a header, or the way to a claim; empty for the others. */
  readonly path: readonly string[];
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

/** Of who calls, and of what is called. */
export type AuthorizationAttribute = SourceAttribute | OperationAttribute;

export type SourceAttribute =
  | 'principal'
  | 'namespace'
  | 'service-account'
  | 'peer-ip'
  | 'client-ip'
  | 'request-principal'
  | 'audience'
  | 'presenter'
  | 'claim'
  | 'header';

export type OperationAttribute = 'host' | 'method' | 'path' | 'port' | 'destination-ip' | 'server-name';

const REQUEST_ONLY: ReadonlySet<AuthorizationAttribute> = new Set<AuthorizationAttribute>([
  'request-principal',
  'audience',
  'presenter',
  'claim',
  'header',
  'host',
  'method',
  'path',
]);

/** Whether only a request has it, and no connection. */
export function isOfRequests(attribute: AuthorizationAttribute): boolean {
  return REQUEST_ONLY.has(attribute);
}

/** Keys of `when` that need no name in brackets. Source: Istio's authorization policy conditions. */
export const plainConditionKeys: Readonly<Record<string, AuthorizationAttribute>> = {
  'source.ip': 'peer-ip',
  'remote.ip': 'client-ip',
  'source.namespace': 'namespace',
  'source.principal': 'principal',
  'source.serviceAccount': 'service-account',
  'request.auth.principal': 'request-principal',
  'request.auth.audiences': 'audience',
  'request.auth.presenter': 'presenter',
  'destination.ip': 'destination-ip',
  'destination.port': 'port',
  'connection.sni': 'server-name',
};

/** Keys of `when` that need one; claims may have several, for claims in claims. */
export const namedConditionKeys: Readonly<Record<string, 'header' | 'claim'>> = {
  'request.headers': 'header',
  'request.auth.claims': 'claim',
};

const NAMED_KEY = /^([a-z.]+)((?:\[[^[\]]+\])+)$/;

/** What a key of `when` asks for; undefined: it is not known. */
export function conditionKeyOf(
  key: string,
): { readonly attribute: AuthorizationAttribute; readonly path: readonly string[] } | undefined {
  if (Object.hasOwn(plainConditionKeys, key)) {
    return { attribute: plainConditionKeys[key] as AuthorizationAttribute, path: [] };
  }
  const [, base = '', brackets = ''] = NAMED_KEY.exec(key) ?? [];
  if (!Object.hasOwn(namedConditionKeys, base)) return undefined;
  const attribute = namedConditionKeys[base] as 'header' | 'claim';
  const path = brackets.slice(1, -1).split('][');
  return attribute === 'header' && path.length > 1 ? undefined : { attribute, path };
}

const OPERATION_ATTRIBUTES: ReadonlySet<AuthorizationAttribute> = new Set<AuthorizationAttribute>([
  'host',
  'method',
  'path',
  'port',
  'destination-ip',
  'server-name',
]);

const built = new WeakMap<MeshResource, AuthorizationPolicy>();

/** An `AuthorizationPolicy`; the same object for the same resource. */
export function authorizationPolicyOf(resource: MeshResource): AuthorizationPolicy {
  let policy = built.get(resource);
  if (policy === undefined) built.set(resource, (policy = build(resource)));
  return policy;
}

function build(resource: MeshResource): AuthorizationPolicy {
  const { action = 'ALLOW', rules = [] } = resource.spec as AuthorizationPolicySpec;
  return {
    key: resource.key,
    target: policyTargetOf(resource),
    action: action === 'DENY' ? 'deny' : action === 'AUDIT' ? 'audit' : 'allow',
    dryRun: isDryRun(resource.annotations),
    standsIn: resource.standsIn === true,
    rules: rules.map((rule) => ruleOf(rule, resource.namespace)),
  };
}

/** Source: Istio's annotation, which takes what Go takes for true. */
export function isDryRun(annotations: Readonly<Record<string, string>>): boolean {
  return /^(1|t|T|TRUE|true|True)$/.test(annotations['istio.io/dry-run'] ?? '');
}

/** What stands under `when` is asked together with each source, or with each operation. Source: Istio. */
function ruleOf(rule: AuthorizationRuleSpec, namespace: string): AuthorizationRule {
  const when = (rule.when ?? []).flatMap(({ key, values, notValues }): AuthorizationCondition[] => {
    const found = conditionKeyOf(key);
    return found === undefined
      ? []
      : [conditionOf(found.attribute, values, notValues, namespace, found.path)];
  });
  const ofOperations = when.filter(({ attribute }) => OPERATION_ATTRIBUTES.has(attribute));
  const ofSources = when.filter(({ attribute }) => !OPERATION_ATTRIBUTES.has(attribute));
  const sources = (rule.from ?? [{ source: {} }]).map(({ source }) => [
    ...sourceConditions(source, namespace),
    ...ofSources,
  ]);
  const operations = (rule.to ?? [{ operation: {} }]).map(({ operation }) => [
    ...operationConditions(operation, namespace),
    ...ofOperations,
  ]);
  return { sources, operations };
}

function sourceConditions(source: AuthorizationSourceSpec, namespace: string): AuthorizationCondition[] {
  return said([
    conditionOf('principal', source.principals, source.notPrincipals, namespace),
    conditionOf('request-principal', source.requestPrincipals, source.notRequestPrincipals, namespace),
    conditionOf('namespace', source.namespaces, source.notNamespaces, namespace),
    conditionOf('service-account', source.serviceAccounts, source.notServiceAccounts, namespace),
    conditionOf('client-ip', source.remoteIpBlocks, source.notRemoteIpBlocks, namespace),
    conditionOf('peer-ip', source.ipBlocks, source.notIpBlocks, namespace),
  ]);
}

function operationConditions(
  operation: AuthorizationOperationSpec,
  namespace: string,
): AuthorizationCondition[] {
  return said([
    conditionOf('host', operation.hosts, operation.notHosts, namespace),
    conditionOf('method', operation.methods, operation.notMethods, namespace),
    conditionOf('path', operation.paths, operation.notPaths, namespace),
    conditionOf('port', operation.ports, operation.notPorts, namespace),
  ]);
}

function said(conditions: readonly AuthorizationCondition[]): AuthorizationCondition[] {
  return conditions.filter(({ values, notValues }) => values.length + notValues.length > 0);
}

function conditionOf(
  attribute: AuthorizationAttribute,
  values: readonly string[] = [],
  notValues: readonly string[] = [],
  namespace: string,
  path: readonly string[] = [],
): AuthorizationCondition {
  if (attribute !== 'service-account') return { attribute, path, values, notValues };
  // A service account without a namespace is one of the policy's own.
  const full = (name: string): string => (name.includes('/') ? name : `${namespace}/${name}`);
  return { attribute, path, values: values.map(full), notValues: notValues.map(full) };
}

const lastIndexes = new WeakMap<MeshSettings, PolicyIndex<AuthorizationPolicy>>();

/** All of them; the same object as for the last model, while they are the same. */
export function indexAuthorizationPolicies(
  resources: readonly MeshResource[],
  settings: MeshSettings,
): PolicyIndex<AuthorizationPolicy> {
  const index = new PolicyIndex(resources.map(authorizationPolicyOf), settings.rootNamespace);
  const last = lastIndexes.get(settings);
  if (last?.holdsTheSame(index) === true) return last;
  lastIndexes.set(settings, index);
  return index;
}
