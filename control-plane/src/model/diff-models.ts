import type { MeshModel } from './mesh-model.js';

/** What a new model means for proxies. */
export interface ModelChange {
  /** Nothing but endpoints differ: listeners, routes and clusters of every proxy stay as they are. */
  readonly endpointsOnly: boolean;
  /** Keys (`NAMESPACE/HOSTNAME`) of services whose endpoints differ, also of added and removed ones. */
  readonly services: readonly string[];
  /** Some service lost an endpoint, or one became unhealthy: to be pushed without delay. */
  readonly endpointRemoved: boolean;
}

/** Cost: one comparison per service. */
export function diffModels(before: MeshModel, after: MeshModel): ModelChange {
  const services: string[] = [];
  let endpointRemoved = false;
  for (const [key, service] of after.services) {
    const old = before.services.get(key);
    if (old?.endpointsHash === service.endpointsHash) continue;
    services.push(key);
    if (old === undefined) continue;
    const still = new Set(service.endpoints.filter((e) => e.health === 'healthy').map(endpointId));
    endpointRemoved ||= old.endpoints.some((e) => e.health === 'healthy' && !still.has(endpointId(e)));
  }
  for (const [key, service] of before.services) {
    if (after.services.has(key)) continue;
    services.push(key);
    endpointRemoved ||= service.endpoints.length > 0;
  }
  return { endpointsOnly: before.configHash === after.configHash, services, endpointRemoved };
}

function endpointId(endpoint: {
  readonly address: string;
  readonly ports: Readonly<Record<number, number>>;
}): string {
  return `${endpoint.address} ${JSON.stringify(endpoint.ports)}`;
}
