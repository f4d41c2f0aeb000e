import {
  translateCluster,
  translateClusterLoadAssignment,
  translateListener,
  translateRouteConfiguration,
  type ClusterConfig,
  type EndpointsConfig,
  type ListenerConfig,
  type ProxyConfig,
  type RouteConfig,
  type Translated,
} from '@heddle/engine';
import { envoy, typeUrls } from '@heddle/xds-protos';
import type { RawResource } from '../snapshot/resource-store.js';

/** What a proxy makes of resources, as it would take them by xDS. */
export interface TakenConfig {
  readonly config: ProxyConfig;
  /** Why resources would be refused: the proxy goes on without these. */
  readonly refused: readonly string[];
}

const configs = new WeakMap<RawResource['value'], Translated<unknown>>();

/**
 * Translates resources as a proxy does that gets them. Those of other types than the four of traffic are passed over.
 *
 * Cost: each resource once, however often it is asked for.
 */
export function proxyConfigOf(resources: Iterable<RawResource>): TakenConfig {
  const listeners: ListenerConfig[] = [];
  const routes = new Map<string, RouteConfig>();
  const clusters = new Map<string, ClusterConfig>();
  const endpoints = new Map<string, EndpointsConfig>();
  const refused: string[] = [];
  const take = <T>(
    resource: RawResource,
    translate: (bytes: Uint8Array) => Translated<T>,
    use: (config: T) => void,
  ): void => {
    let made = configs.get(resource.value) as Translated<T> | undefined;
    if (made === undefined) configs.set(resource.value, (made = translate(resource.value)));
    if (made.ok) use(made.value);
    else {
      const problems = made.problems.map(({ path, message }) => `${path}: ${message}`);
      refused.push(`${resource.name}: ${problems.join('; ')}`);
    }
  };
  for (const resource of resources) {
    switch (resource.typeUrl) {
      case typeUrls.listener:
        take(
          resource,
          (bytes) => translateListener(envoy.config.listener.v3.Listener.decode(bytes)),
          (config) => listeners.push(config),
        );
        break;
      case typeUrls.routeConfiguration:
        take(
          resource,
          (bytes) => translateRouteConfiguration(envoy.config.route.v3.RouteConfiguration.decode(bytes)),
          (config) => routes.set(resource.name, config),
        );
        break;
      case typeUrls.cluster:
        take(
          resource,
          (bytes) => translateCluster(envoy.config.cluster.v3.Cluster.decode(bytes)),
          (config) => clusters.set(resource.name, config),
        );
        break;
      case typeUrls.clusterLoadAssignment:
        take(
          resource,
          (bytes) =>
            translateClusterLoadAssignment(envoy.config.endpoint.v3.ClusterLoadAssignment.decode(bytes)),
          (config) => endpoints.set(resource.name, config),
        );
        break;
      default:
        break;
    }
  }
  return { config: { listeners, routes, clusters, endpoints }, refused };
}
