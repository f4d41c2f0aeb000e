import type { envoy, istio } from '@heddle/xds-protos';

/** Everything that proxies of one view get, not yet encoded. Each map is by resource name, in the order of names. */
export interface ProxyResources {
  readonly listeners: ReadonlyMap<string, envoy.config.listener.v3.IListener>;
  readonly routeConfigurations: ReadonlyMap<string, envoy.config.route.v3.IRouteConfiguration>;
  readonly clusters: ReadonlyMap<string, envoy.config.cluster.v3.ICluster>;
  readonly loadAssignments: ReadonlyMap<string, envoy.config.endpoint.v3.IClusterLoadAssignment>;
  /** What the DNS server of a sidecar answers: one, or none. */
  readonly nameTables: ReadonlyMap<string, istio.networking.nds.v1.INameTable>;
  /** Certificates of a gateway; never the workload's own. */
  readonly secrets: ReadonlyMap<string, envoy.extensions.transport_sockets.tls.v3.ISecret>;
}
