import { instanceOfEntry, workloadOf } from './build-services.js';
import type { GatewayConfig } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { PolicySubject } from './policy-target.js';

/** Whom a policy may be for, as far as resources tell. */
export interface KnownSubject extends PolicySubject {
  /** `Workload shop/reviews`, as it is shown. */
  readonly shown: string;
  readonly isGateway: boolean;
  /** The application's ports, as policies count them. */
  readonly ports: readonly number[];
}

/** Everybody: what runs, what is to run, and the gateways, which need no resource of their own to run. */
export function policySubjects(
  resources: readonly MeshResource[],
  gateways: ReadonlyMap<string, GatewayConfig>,
): readonly KnownSubject[] {
  const subjects: KnownSubject[] = [];
  for (const resource of resources) {
    const { kind, namespace, name } = resource;
    const shown = `${kind} ${namespace}/${name}`;
    if (kind === 'Workload') {
      const { labels, ports } = workloadOf(resource);
      subjects.push({ shown, namespace, labels, isGateway: false, ports: ports.map(({ port }) => port) });
    } else if (kind === 'WorkloadEntry') {
      const instance = instanceOfEntry(resource);
      const ports = Object.values({ ...instance.ports, ...instance.applicationPorts });
      subjects.push({ shown, namespace, labels: instance.labels, isGateway: false, ports });
    }
  }
  for (const { key, namespace, selector, servers } of gateways.values()) {
    if (Object.keys(selector).length === 0) continue;
    subjects.push({
      shown: `the proxies of Gateway ${key}`,
      namespace,
      labels: selector,
      isGateway: true,
      ports: servers.map(({ port }) => port),
    });
  }
  return subjects;
}
