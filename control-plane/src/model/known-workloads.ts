import { instanceOfEntry, workloadOf } from './build-services.js';
import type { MeshResource } from './mesh-resource.js';

type Texts = Readonly<Record<string, string>>;

/** A Workload or WorkloadEntry, as far as it tells who a proxy may be. */
export interface KnownWorkload {
  readonly kind: 'Workload' | 'WorkloadEntry';
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Texts;
}

/** What is known of the workloads of each namespace, for deciding whether a proxy may be what it says. */
export class KnownWorkloads {
  readonly #byNamespace = new Map<string, KnownWorkload[]>();

  constructor(resources: Iterable<MeshResource>) {
    for (const resource of resources) {
      const { kind, name, namespace } = resource;
      if (kind !== 'Workload' && kind !== 'WorkloadEntry') continue;
      const { serviceAccount, labels } =
        kind === 'Workload' ? workloadOf(resource) : instanceOfEntry(resource);
      const known = this.#byNamespace.get(namespace) ?? [];
      this.#byNamespace.set(namespace, known);
      known.push({ kind, name, namespace, serviceAccount, labels });
    }
  }

  /**
   * Why a proxy of this service account may not go by these labels, by which services, gateways and policies would take it
   * for another; undefined: it may.
   *
   * What is known of a service account is all that it may be; of which nothing is known may be anything that is not known
   * to be somebody else.
   * Cost: proportional to the workloads of the namespace.
   */
  whyForeign(claim: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly labels: Texts;
  }): string | undefined {
    const known = this.#byNamespace.get(claim.namespace) ?? [];
    const own = known.filter(({ serviceAccount }) => serviceAccount === claim.serviceAccount);
    if (own.length > 0) {
      if (own.some(({ labels }) => isWithin(claim.labels, labels))) return undefined;
      return `node metadata LABELS ${textOf(claim.labels)}: no workload of the service account ${claim.namespace}/${claim.serviceAccount} has all of these`;
    }
    const other = known.find(
      ({ labels }) => Object.keys(labels).length > 0 && isWithin(labels, claim.labels),
    );
    if (other === undefined) return undefined;
    return `node metadata LABELS ${textOf(claim.labels)}: they are those of ${other.kind} ${other.namespace}/${other.name}, whose service account is ${other.serviceAccount} and not ${claim.serviceAccount}`;
  }
}

function isWithin(few: Texts, many: Texts): boolean {
  return Object.entries(few).every(([name, value]) => Object.hasOwn(many, name) && many[name] === value);
}

function textOf(labels: Texts): string {
  const text = JSON.stringify(labels);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
