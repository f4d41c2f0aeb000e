import type { istio } from '@heddle/xds-protos';
import type { MeshModel, Service } from '../model/mesh-model.js';
import type { NamespaceScope } from './visibility.js';

type NameTable = istio.networking.nds.v1.INameTable;

/** The addresses by which a service is called. Ranges of a ServiceEntry are none. */
export function addressesOf(model: MeshModel, service: Service): readonly string[] {
  const virtual = model.virtualAddresses.get(service.key);
  return virtual === undefined ? service.addresses.filter((one) => !one.includes('/')) : [virtual];
}

const tables = new WeakMap<NamespaceScope, NameTable>();

/**
 * The names that applications of a namespace can call, with their addresses. Made once for all proxies of a namespace.
 *
 * Source: Istio's name table: services of the mesh with their own name and namespace, from which the shorter names follow.
 */
export function nameTableOf(model: MeshModel, scope: NamespaceScope): NameTable {
  let made = tables.get(scope);
  if (made === undefined) {
    const table: Record<string, istio.networking.nds.v1.NameTable.INameInfo> = {};
    for (const service of scope.services.values()) {
      const ips = [...addressesOf(model, service)];
      if (ips.length === 0) continue;
      const heddlePorts = service.ports
        .filter(({ name }) => name !== '')
        .map(({ name, number, protocol }) => ({
          name,
          number,
          protocol: protocol === 'udp' ? 'udp' : 'tcp',
        }));
      table[service.hostname] =
        service.kind === 'Service'
          ? {
              ips,
              registry: 'Kubernetes',
              shortname: service.name,
              namespace: service.namespace,
              heddlePorts,
            }
          : { ips, registry: 'External', heddlePorts };
    }
    tables.set(scope, (made = { table }));
  }
  return made;
}
