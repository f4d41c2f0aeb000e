import type { envoy, istio } from '@heddle/xds-protos';
import type { ProxyResources } from './proxy-resources.js';

/** Collects the resources of one view. */
export class ResourceSet {
  readonly #listeners = new Map<string, envoy.config.listener.v3.IListener>();
  readonly #routeConfigurations = new Map<string, envoy.config.route.v3.IRouteConfiguration>();
  readonly #clusters = new Map<string, envoy.config.cluster.v3.ICluster>();
  readonly #loadAssignments = new Map<string, envoy.config.endpoint.v3.IClusterLoadAssignment>();

  readonly #nameTables = new Map<string, istio.networking.nds.v1.INameTable>();
  readonly #secrets = new Map<string, envoy.extensions.transport_sockets.tls.v3.ISecret>();

  addListener(listener: envoy.config.listener.v3.IListener): void {
    this.#listeners.set(listener.name ?? '', listener);
  }

  addRouteConfiguration(routes: envoy.config.route.v3.IRouteConfiguration): void {
    this.#routeConfigurations.set(routes.name ?? '', routes);
  }

  addCluster(cluster: envoy.config.cluster.v3.ICluster): void {
    this.#clusters.set(cluster.name ?? '', cluster);
  }

  addLoadAssignment(assignment: envoy.config.endpoint.v3.IClusterLoadAssignment): void {
    this.#loadAssignments.set(assignment.clusterName ?? '', assignment);
  }

  addSecret(secret: envoy.extensions.transport_sockets.tls.v3.ISecret): void {
    this.#secrets.set(secret.name ?? '', secret);
  }

  addNameTable(table: istio.networking.nds.v1.INameTable): void {
    // It has no name of its own, and there is one for each proxy.
    this.#nameTables.set('names', table);
  }

  finish(): ProxyResources {
    return {
      listeners: byName(this.#listeners),
      routeConfigurations: byName(this.#routeConfigurations),
      clusters: byName(this.#clusters),
      loadAssignments: byName(this.#loadAssignments),
      nameTables: this.#nameTables,
      secrets: byName(this.#secrets),
    };
  }
}

function byName<T>(resources: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...resources].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
