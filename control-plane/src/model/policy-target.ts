import { selects } from './build-services.js';
import type { MeshResource } from './mesh-resource.js';
import type { PolicyTargetSpec, Texts } from './specs/shared-fields.js';

/** The label that a proxy serving a Kubernetes `Gateway` carries. Source: Gateway API's well-known label. */
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';

/** Whom a security policy is for: what PeerAuthentication, RequestAuthentication and AuthorizationPolicy say alike. */
export interface PolicyTarget {
  readonly namespace: string;
  readonly name: string;
  /** undefined: all workloads of the namespace (of the mesh, from the root namespace). Never empty. */
  readonly selector: Texts | undefined;
  /** Names of Gateways of gateway.networking.k8s.io; undefined: not said. Excludes `selector`. */
  readonly gateways: readonly string[] | undefined;
  /** Units: ms since 1970. 0: not said, and so older than all others. */
  readonly createdAtMs: number;
}

/** Where a policy stands among those that concern one workload; later ones are more specific. */
export type PolicyLevel = 'mesh' | 'namespace' | 'workload';

/** What policies are held against: a workload, or the proxy beside it. */
export interface PolicySubject {
  readonly namespace: string;
  readonly labels: Texts;
}

/** Reads `selector` and `targetRefs` of a policy's spec. Source: Istio's WorkloadSelector and PolicyTargetReference. */
export function policyTargetOf(resource: MeshResource): PolicyTarget {
  const { selector, targetRefs = [] } = resource.spec as PolicyTargetSpec;
  const labels = selector?.matchLabels ?? {};
  return {
    namespace: resource.namespace,
    name: resource.name,
    selector: Object.keys(labels).length === 0 ? undefined : labels,
    gateways: targetRefs.length === 0 ? undefined : targetRefs.map(({ name }) => name),
    createdAtMs: resource.createdAtMs,
  };
}

/** Source: Istio: no selector in the root namespace is the mesh; a selector there reaches workloads of every namespace. */
export function policyLevelOf(target: PolicyTarget, rootNamespace: string): PolicyLevel {
  if (target.selector !== undefined || target.gateways !== undefined) return 'workload';
  return target.namespace === rootNamespace ? 'mesh' : 'namespace';
}

/** Whether a policy concerns a workload. */
export function concerns(target: PolicyTarget, subject: PolicySubject, rootNamespace: string): boolean {
  if (target.gateways !== undefined) {
    const name = Object.hasOwn(subject.labels, gatewayNameLabel)
      ? subject.labels[gatewayNameLabel]
      : undefined;
    // A reference names a Gateway of its own namespace, also from the root namespace.
    return name !== undefined && target.namespace === subject.namespace && target.gateways.includes(name);
  }
  if (target.namespace !== subject.namespace && target.namespace !== rootNamespace) return false;
  return target.selector === undefined || selects(target.selector, subject.labels);
}

/** The oldest first; of equal age by name, then namespace. Source: Istio's sortConfigByCreationTime. */
export function compareAge(a: PolicyTarget, b: PolicyTarget): number {
  return (
    a.createdAtMs - b.createdAtMs || compareText(a.name, b.name) || compareText(a.namespace, b.namespace)
  );
}

/**
 * The policies of one kind, found by whom they concern.
 *
 * `PeerAuthentication` takes one of each level (`first`), the other kinds add up (`all`).
 * Cost: a look-up goes over the policies of the root namespace and of the subject's own.
 */
export class PolicyIndex<Policy extends { readonly target: PolicyTarget }> {
  readonly rootNamespace: string;
  /** The oldest first. */
  readonly policies: readonly Policy[];
  readonly #byNamespace = new Map<string, Policy[]>();

  constructor(policies: readonly Policy[], rootNamespace: string) {
    this.rootNamespace = rootNamespace;
    this.policies = [...policies].sort((a, b) => compareAge(a.target, b.target));
    for (const policy of this.policies) {
      const { namespace } = policy.target;
      const list = this.#byNamespace.get(namespace);
      if (list === undefined) this.#byNamespace.set(namespace, [policy]);
      else list.push(policy);
    }
  }

  /** Every policy that concerns a workload: those of the root namespace, then those of its own, the oldest first. */
  all(subject: PolicySubject): readonly Policy[] {
    const { rootNamespace } = this;
    const namespaces =
      subject.namespace === rootNamespace ? [rootNamespace] : [rootNamespace, subject.namespace];
    return namespaces.flatMap((namespace) =>
      (this.#byNamespace.get(namespace) ?? []).filter(({ target }) =>
        concerns(target, subject, rootNamespace),
      ),
    );
  }

  /** The oldest policy of each level that concerns a workload. */
  first(subject: PolicySubject): Readonly<Partial<Record<PolicyLevel, Policy>>> {
    const found: Partial<Record<PolicyLevel, Policy>> = {};
    for (const policy of this.all(subject)) {
      const level = policyLevelOf(policy.target, this.rootNamespace);
      const known = found[level];
      if (known === undefined || compareAge(policy.target, known.target) < 0) found[level] = policy;
    }
    return found;
  }

  /** Whether another index would find the very same policies. */
  holdsTheSame(other: PolicyIndex<Policy>): boolean {
    return (
      this.rootNamespace === other.rootNamespace &&
      this.policies.length === other.policies.length &&
      this.policies.every((policy, i) => policy === other.policies[i])
    );
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
