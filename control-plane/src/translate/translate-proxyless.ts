import { envoy, packAny, resourceNames, type google } from '@heddle/xds-protos';
import { hostAliases } from '../model/hostname.js';
import type { Service, ServicePort } from '../model/mesh-model.js';
import type { ProxyView } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { escapeRegex } from './translate-route.js';
import { serviceRoutes, type RoutingPlace } from './translate-virtual-host.js';
import type { NamespaceScope } from './visibility.js';

type Cluster = envoy.config.cluster.v3.ICluster;
type LoadAssignment = envoy.config.endpoint.v3.IClusterLoadAssignment;
type Listener = envoy.config.listener.v3.IListener;
type Route = envoy.config.route.v3.IRoute;

/**
 * Listeners and routes for a gRPC program that is its own proxy: `xds:///reviews.default.svc.cluster.local:9080` asks for the
 * listener of that very name.
 *
 * Shape: one route configuration for each port of a service, and a listener for each name that it may be called by there.
 * Source: Istio's generator for gRPC, and gRPC's proposals A27, A28 and A36.
 */
export function addProxyless(set: ResourceSet, view: ProxyView, scope: NamespaceScope): void {
  set.addCluster(nowhere);
  set.addLoadAssignment({ clusterName: NOWHERE, endpoints: [] });
  for (const service of scope.services.values()) {
    if (service.hostname.startsWith('*')) continue;
    for (const port of service.ports) {
      if (port.protocol === 'udp') continue;
      const name = resourceNames.routeConfigurationName({
        kind: 'outbound-host',
        host: service.hostname,
        port: port.number,
      });
      set.addRouteConfiguration(routesOf(name, service, port, { scope, view }));
      for (const alias of hostAliases(service.hostname, view.namespace))
        set.addListener(apiListener(`${alias}:${port.number}`, name));
    }
  }
}

function routesOf(
  name: string,
  service: Service,
  port: ServicePort,
  { scope, view }: Pick<RoutingPlace, 'scope' | 'view'>,
): envoy.config.route.v3.IRouteConfiguration {
  const place: RoutingPlace = { scope, view, gateways: ['mesh'], port: port.number, authority: '' };
  const routes = serviceRoutes(service, port, place).map(forGrpc);
  const virtualHost = resourceNames.virtualHostName(service.hostname, port.number);
  return { name, virtualHosts: [{ name: virtualHost, domains: ['*'], routes }] };
}

/** Where requests go that a rule answers by itself, which gRPC cannot do: a cluster without endpoints, so that they fail. */
const NOWHERE = resourceNames.clusterName({
  direction: 'outbound',
  port: 0,
  subset: '',
  host: 'no-forwarding',
});

/** Clients refuse a whole route configuration for one route that they cannot follow. They have none of our filters. */
function forGrpc(route: Route): Route {
  const { match, redirect, directResponse, typedPerFilterConfig: _filters, ...rest } = route;
  const prefix = match?.pathSeparatedPrefix;
  const followed: Route =
    prefix == null || prefix === ''
      ? { ...rest, match: match ?? { prefix: '/' } }
      : {
          ...rest,
          match: {
            ...match,
            pathSeparatedPrefix: null,
            safeRegex: { regex: `${escapeRegex(prefix)}(/.*)?` },
          },
        };
  return redirect == null && directResponse == null ? followed : { ...followed, route: { cluster: NOWHERE } };
}

const fromHeddled: envoy.config.core.v3.IConfigSource = { ads: {}, resourceApiVersion: 2 };

const nowhere: Cluster = {
  name: NOWHERE,
  type: envoy.config.cluster.v3.Cluster.DiscoveryType.EDS,
  edsClusterConfig: { edsConfig: fromHeddled, serviceName: NOWHERE },
};

function apiListener(name: string, routeConfigName: string): Listener {
  return { name, apiListener: { apiListener: connectionManager(routeConfigName) } };
}

function connectionManager(routeConfigName: string): google.protobuf.IAny {
  const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3;
  return packAny(HttpConnectionManager, {
    statPrefix: routeConfigName,
    rds: { configSource: fromHeddled, routeConfigName },
    httpFilters: [
      {
        name: 'envoy.filters.http.router',
        typedConfig: packAny(envoy.extensions.filters.http.router.v3.Router, {}),
      },
    ],
  });
}

const clusters = new WeakMap<Cluster, Cluster>();
const assignments = new WeakMap<LoadAssignment, LoadAssignment>();

/**
 * A cluster as gRPC's clients take it; undefined for those that they cannot use. The same object for the same cluster.
 *
 * What they balance by is their own, or the ring of hashes; TLS is that of a sidecar, and they have none.
 */
export function clusterForGrpc(cluster: Cluster): Cluster | undefined {
  if (cluster.edsClusterConfig == null) return undefined;
  let made = clusters.get(cluster);
  if (made === undefined) {
    const { RING_HASH, ROUND_ROBIN } = envoy.config.cluster.v3.Cluster.LbPolicy;
    const { serviceName } = cluster.edsClusterConfig;
    const isRing = cluster.lbPolicy === RING_HASH;
    made = {
      name: cluster.name ?? '',
      type: envoy.config.cluster.v3.Cluster.DiscoveryType.EDS,
      edsClusterConfig: { edsConfig: fromHeddled, serviceName: serviceName ?? '' },
      connectTimeout: cluster.connectTimeout ?? null,
      lbPolicy: isRing ? RING_HASH : ROUND_ROBIN,
      ...(isRing ? { ringHashLbConfig: cluster.ringHashLbConfig ?? null } : {}),
      ...(cluster.outlierDetection == null ? {} : { outlierDetection: cluster.outlierDetection }),
    };
    clusters.set(cluster, made);
  }
  return made;
}

/** Endpoints as gRPC's clients take them: they want a locality, also where nothing is known of it. */
export function assignmentForGrpc(assignment: LoadAssignment): LoadAssignment {
  let made = assignments.get(assignment);
  if (made === undefined) {
    const endpoints = (assignment.endpoints ?? []).map((one) => ({ locality: {}, ...one }));
    assignments.set(assignment, (made = { ...assignment, endpoints }));
  }
  return made;
}
