import { selects } from '../model/build-services.js';
import { compareSpecificity, hostMatches } from '../model/hostname.js';
import type {
  DestinationPolicy,
  DestinationSubset,
  ExportTo,
  MeshModel,
  RouteBinding,
  Service,
  TrafficPolicy,
} from '../model/mesh-model.js';
import type { ProxyView } from './proxy-view.js';

/** Whether something is shown to a namespace. */
export function isVisible(exportTo: ExportTo, namespace: string): boolean {
  return exportTo.includes('*') || exportTo.includes(namespace);
}

/** What callers of one namespace see of a model. Made once for a model and namespace. */
export interface NamespaceScope {
  /** By host name, in the order of names. */
  readonly services: ReadonlyMap<string, Service>;
  /** The same object for callers with the same rules. */
  readonly policyFor: (service: Service, caller: Pick<ProxyView, 'labels'>) => EffectivePolicy;
  /** The rules for calls inside the mesh to a host, of its most specific pattern, in the order of keys. */
  readonly meshBindingsFor: (host: string) => readonly RouteBinding[];
  /** Hosts without `*` that have rules for calls inside the mesh. */
  readonly meshHosts: readonly string[];
  /** Some rule holds for callers with certain labels or of a certain namespace only. */
  readonly tellsCallersApart: boolean;
  /** Some DestinationRule is for callers with certain labels only. */
  readonly hasSelectors: boolean;
}

/** What all rules for a service's host come to. */
export interface EffectivePolicy {
  readonly traffic: TrafficPolicy;
  readonly subsets: readonly DestinationSubset[];
  /** Set: only for callers with these labels, to whom Secrets may come for its sake. */
  readonly selector: Readonly<Record<string, string>> | undefined;
}

/** What is in force on a port, for a subset or the whole. */
export function trafficAt(
  { traffic }: EffectivePolicy,
  port: number,
  subset?: DestinationSubset,
): TrafficPolicy {
  const merged = subset === undefined ? traffic : { ...traffic, ...subset.traffic };
  return merged.portLevel?.get(port) ?? merged;
}

const noPolicy: EffectivePolicy = { traffic: {}, subsets: [], selector: undefined };
const scopes = new WeakMap<MeshModel, Map<string, NamespaceScope>>();

/** The scope of a namespace; the same object for the same model. */
export function scopeOf(model: MeshModel, namespace: string): NamespaceScope {
  let ofModel = scopes.get(model);
  if (ofModel === undefined) scopes.set(model, (ofModel = new Map()));
  let scope = ofModel.get(namespace);
  if (scope === undefined) ofModel.set(namespace, (scope = createScope(model, namespace)));
  return scope;
}

function createScope(model: MeshModel, namespace: string): NamespaceScope {
  const services = new Map<string, Service>();
  for (const host of [...model.servicesByHost.keys()].sort()) {
    const visible = (model.servicesByHost.get(host) ?? []).filter((service) =>
      isVisible(service.exportTo, namespace),
    );
    const chosen =
      visible.find((service) => service.namespace === namespace) ?? visible.find(isPlain) ?? visible[0];
    if (chosen !== undefined) services.set(host, chosen);
  }
  const exact = new Map<string, DestinationPolicy[]>();
  const wildcards: DestinationPolicy[] = [];
  let hasSelectors = false;
  for (const policy of model.destinationPolicies) {
    if (!isVisible(policy.exportTo, namespace)) continue;
    if (policy.selector !== undefined) {
      if (policy.namespace !== namespace) continue;
      hasSelectors = true;
    }
    if (policy.host.startsWith('*')) wildcards.push(policy);
    else exact.set(policy.host, [...(exact.get(policy.host) ?? []), policy]);
  }
  wildcards.sort((a, b) => compareSpecificity(a.host, b.host));
  const bindings = new Map<string, RouteBinding[]>();
  for (const binding of model.virtualHosts) {
    if (!binding.gateways.includes('mesh') || !isVisible(binding.exportTo, namespace)) continue;
    for (const host of binding.hosts) bindings.set(host, [...(bindings.get(host) ?? []), binding]);
  }
  const patterns = [...bindings.keys()].filter((host) => host.startsWith('*')).sort(compareSpecificity);
  const merged = new Map<string, EffectivePolicy>();
  return {
    services,
    policyFor: (service, caller) => {
      const chosen = choosePolicies(service, namespace, caller.labels, exact, wildcards);
      const [only] = chosen;
      if (only === undefined) return noPolicy;
      if (chosen.length === 1) return only;
      const key = chosen.map((policy) => policy.key).join(' ');
      let policy = merged.get(key);
      if (policy === undefined) merged.set(key, (policy = mergePolicies(chosen)));
      return policy;
    },
    meshBindingsFor: (host) => {
      const key = bindings.has(host) ? host : patterns.find((pattern) => hostMatches(pattern, host));
      return key === undefined ? [] : (bindings.get(key) ?? []);
    },
    meshHosts: [...bindings.keys()].filter((host) => !host.startsWith('*')).sort(),
    tellsCallersApart: hasSelectors || [...bindings.values()].flat().some(matchesCallers),
    hasSelectors,
  };
}

function matchesCallers({ routes }: RouteBinding): boolean {
  return routes.some(({ matches }) =>
    matches.some((match) => match.sourceNamespace !== '' || Object.keys(match.sourceLabels).length > 0),
  );
}

function isPlain(service: Service): boolean {
  return service.kind === 'Service';
}

/**
 * Source: Istio: the rules of the caller's namespace (those for its labels before those for all), else of the service's, else any;
 * names before wildcards.
 */
function choosePolicies(
  service: Service,
  namespace: string,
  labels: Readonly<Record<string, string>>,
  exact: ReadonlyMap<string, readonly DestinationPolicy[]>,
  wildcards: readonly DestinationPolicy[],
): readonly DestinationPolicy[] {
  const named = exact.get(service.hostname) ?? [];
  const matching = wildcards.filter((policy) => hostMatches(policy.host, service.hostname));
  const first = (isChosen: (policy: DestinationPolicy) => boolean): readonly DestinationPolicy[] => {
    const found = named.filter(isChosen);
    return found.length > 0 ? found : matching.filter(isChosen).slice(0, 1);
  };
  // Of those with a selector only the caller's own are here.
  const selected = first(({ selector }) => selector !== undefined && selects(selector, labels));
  if (selected.length > 0) return selected;
  for (const owner of [namespace, service.namespace, undefined]) {
    const found = first(
      (policy) => policy.selector === undefined && (owner === undefined || policy.namespace === owner),
    );
    if (found.length > 0) return found;
  }
  return [];
}

/** Several rules for one host are one: every subset counts (the first of a name), and the first traffic policy that says something. */
function mergePolicies(policies: readonly DestinationPolicy[]): EffectivePolicy {
  const subsets = new Map<string, DestinationSubset>();
  for (const policy of policies) {
    for (const subset of policy.subsets) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  }
  const traffic = policies.find((policy) => Object.keys(policy.traffic).length > 0)?.traffic ?? {};
  return { traffic, subsets: [...subsets.values()], selector: policies[0]?.selector };
}
