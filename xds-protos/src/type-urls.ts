import { typeUrlOf } from './any.js';

const resource = <Name extends string>(name: Name) => `type.googleapis.com/${name}` as const;

/** The type URLs of the resource types that xDS serves, and `of` for any other message. */
export const typeUrls = {
  listener: resource('envoy.config.listener.v3.Listener'),
  routeConfiguration: resource('envoy.config.route.v3.RouteConfiguration'),
  scopedRouteConfiguration: resource('envoy.config.route.v3.ScopedRouteConfiguration'),
  virtualHost: resource('envoy.config.route.v3.VirtualHost'),
  cluster: resource('envoy.config.cluster.v3.Cluster'),
  clusterLoadAssignment: resource('envoy.config.endpoint.v3.ClusterLoadAssignment'),
  /** Istio's: the names that a sidecar's DNS server answers. */
  nameTable: resource('istio.networking.nds.v1.NameTable'),
  secret: resource('envoy.extensions.transport_sockets.tls.v3.Secret'),
  runtime: resource('envoy.service.runtime.v3.Runtime'),
  extensionConfig: resource('envoy.config.core.v3.TypedExtensionConfig'),
  of: typeUrlOf,
} as const;
