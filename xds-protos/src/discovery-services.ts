import { envoy } from '../gen/protos.js';
import { grpcMethod } from './grpc-method.js';
import { typeUrls } from './type-urls.js';

const { DiscoveryRequest, DiscoveryResponse, DeltaDiscoveryRequest, DeltaDiscoveryResponse } =
  envoy.service.discovery.v3;

const service = (name: string, resources: string) => ({
  sotw: grpcMethod(`envoy.service.${name}`, `Stream${resources}`, true, DiscoveryRequest, DiscoveryResponse),
  delta: grpcMethod(
    `envoy.service.${name}`,
    `Delta${resources}`,
    true,
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
  ),
});

/** The two streams that serve one type of resources alone. */
export type DiscoveryMethods = ReturnType<typeof service>;

const byTypeUrl: ReadonlyMap<string, DiscoveryMethods> = new Map([
  [typeUrls.listener, service('listener.v3.ListenerDiscoveryService', 'Listeners')],
  [typeUrls.cluster, service('cluster.v3.ClusterDiscoveryService', 'Clusters')],
  [typeUrls.clusterLoadAssignment, service('endpoint.v3.EndpointDiscoveryService', 'Endpoints')],
  [typeUrls.routeConfiguration, service('route.v3.RouteDiscoveryService', 'Routes')],
  [typeUrls.scopedRouteConfiguration, service('route.v3.ScopedRoutesDiscoveryService', 'ScopedRoutes')],
  // Envoy has no state-of-the-world form of it.
  [typeUrls.virtualHost, service('route.v3.VirtualHostDiscoveryService', 'VirtualHosts')],
  [typeUrls.secret, service('secret.v3.SecretDiscoveryService', 'Secrets')],
  [typeUrls.runtime, service('runtime.v3.RuntimeDiscoveryService', 'Runtime')],
  [typeUrls.extensionConfig, service('extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs')],
]);

/** How resources of a type are fetched on a stream of their own; undefined: they are served by aggregated streams only. */
export function discoveryMethods(typeUrl: string): DiscoveryMethods | undefined {
  return byTypeUrl.get(typeUrl);
}
