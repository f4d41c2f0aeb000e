import type { MeshModel, Service } from '../model/mesh-model.js';

/** Which service a workload belongs to, for a graph of services: the one that most workloads are behind. */
export class ServiceIndex {
  readonly #ofWorkload = new Map<string, Service>();
  readonly #byHost: ReadonlyMap<string, readonly Service[]>;

  constructor(model: MeshModel) {
    this.#byHost = model.servicesByHost;
    const sizes = new Map<Service, number>();
    for (const service of model.services.values()) {
      const names = new Set(
        service.endpoints.map(({ namespace, workloadName }) => `${namespace}/${workloadName}`),
      );
      sizes.set(service, names.size);
      for (const name of names) {
        const known = this.#ofWorkload.get(name);
        if (known === undefined || (sizes.get(known) ?? 0) < names.size) this.#ofWorkload.set(name, service);
      }
    }
  }

  ofWorkload(namespace: string, workload: string): Service | undefined {
    return this.#ofWorkload.get(`${namespace}/${workload}`);
  }

  ofHost(host: string): Service | undefined {
    return this.#byHost.get(host)?.[0];
  }
}
