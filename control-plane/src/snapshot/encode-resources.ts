import { envoy, typeUrls } from '@heddle/xds-protos';
import type { ProxyResources } from '../translate/proxy-resources.js';
import type { RawResource } from './resource-store.js';

/** Encodes what translation made, in the order in which a proxy needs it. */
export function* encodeResources(resources: ProxyResources): Iterable<RawResource> {
  const { Cluster } = envoy.config.cluster.v3;
  const { ClusterLoadAssignment } = envoy.config.endpoint.v3;
  const { Listener } = envoy.config.listener.v3;
  const { RouteConfiguration } = envoy.config.route.v3;
  for (const [name, message] of resources.clusters) {
    yield { typeUrl: typeUrls.cluster, name, value: Cluster.encode(message).finish() };
  }
  for (const [name, message] of resources.loadAssignments) {
    yield {
      typeUrl: typeUrls.clusterLoadAssignment,
      name,
      value: ClusterLoadAssignment.encode(message).finish(),
    };
  }
  for (const [name, message] of resources.listeners) {
    yield { typeUrl: typeUrls.listener, name, value: Listener.encode(message).finish() };
  }
  for (const [name, message] of resources.routeConfigurations) {
    yield { typeUrl: typeUrls.routeConfiguration, name, value: RouteConfiguration.encode(message).finish() };
  }
}
