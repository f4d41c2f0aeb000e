import { resourceNames, type envoy } from '@heddle/xds-protos';
import { isHttp } from '../model/app-protocol.js';
import type { ConnectionMatch, MeshModel, Service, ServicePort } from '../model/mesh-model.js';
import { weightedClusters, type WeightedClusters } from './gateway-routes.js';
import type { ExplicitPorts, ProxyView } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { addInbound } from './translate-inbound.js';
import { httpChain, listenerOf, tcpChain, tlsInspector, type ListenerParts } from './translate-listener.js';
import { chainSettings, type ChainSettings } from './translate-telemetry.js';
import { anyServiceVirtualHosts, serviceRoutes, winningBindings } from './translate-virtual-host.js';
import { trafficAt, type NamespaceScope } from './visibility.js';

/** Listeners and routes of a sidecar whose application is told where to connect. */
export function addExplicitSidecar(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  scope: NamespaceScope,
): void {
  const { explicit } = view;
  if (explicit === undefined) return;
  addInbound(set, model, view, explicit);
  const settings = chainSettings(model, view, 'outbound');
  for (const service of scope.services.values()) {
    for (const port of service.ports) {
      const key = resourceNames.routeConfigurationName({
        kind: 'outbound-host',
        host: service.hostname,
        port: port.number,
      });
      const listen = Object.hasOwn(explicit.outbound, key) ? explicit.outbound[key] : undefined;
      if (listen !== undefined && port.protocol !== 'udp')
        addOutbound(set, settings, scope, explicit, service, port, listen);
    }
  }
  if (explicit.httpProxy !== 0) {
    const takesGrpcWeb = [...scope.services.values()].some(({ ports }) =>
      ports.some(({ protocol }) => protocol === 'grpc-web'),
    );
    set.addListener(
      listenerOf('outbound', explicit.bindAddress, explicit.httpProxy, {
        filterChains: [httpChain(settings, 'http_proxy', httpProxyRoutes, { takesGrpcWeb })],
      }),
    );
    set.addRouteConfiguration(anyServiceRoutes(scope, view));
  }
}

/** The routes of the port that takes requests for any service. */
const httpProxyRoutes = resourceNames.routeConfigurationName({
  kind: 'outbound-host',
  host: 'http-proxy',
  port: 0,
});

type RouteConfiguration = envoy.config.route.v3.IRouteConfiguration;

const sharedRoutes = new WeakMap<NamespaceScope, Map<boolean, RouteConfiguration>>();

/** The largest thing that a proxy gets. Made once for all proxies of a namespace, unless some rule tells callers apart. */
function anyServiceRoutes(scope: NamespaceScope, view: ProxyView): RouteConfiguration {
  const make = (): RouteConfiguration => ({
    name: httpProxyRoutes,
    virtualHosts: anyServiceVirtualHosts(scope, view),
  });
  if (scope.tellsCallersApart) return make();
  let byMirrors = sharedRoutes.get(scope);
  if (byMirrors === undefined) sharedRoutes.set(scope, (byMirrors = new Map()));
  let routes = byMirrors.get(view.mirrors);
  if (routes === undefined) byMirrors.set(view.mirrors, (routes = make()));
  return routes;
}

function addOutbound(
  set: ResourceSet,
  settings: ChainSettings,
  scope: NamespaceScope,
  { bindAddress }: ExplicitPorts,
  service: Service,
  port: ServicePort,
  listen: number,
): void {
  const { hostname } = service;
  const statPrefix = `outbound_${port.number}_${hostname}`;
  if (!isHttp(port.protocol)) {
    const parts = connectionParts(settings, scope, service, port);
    set.addListener(listenerOf('outbound', bindAddress, listen, parts));
    return;
  }
  const name = resourceNames.routeConfigurationName({
    kind: 'outbound-host',
    host: hostname,
    port: port.number,
  });
  const takesGrpcWeb = port.protocol === 'grpc-web';
  const filterChains = [httpChain(settings, statPrefix, name, { takesGrpcWeb })];
  set.addListener(listenerOf('outbound', bindAddress, listen, { filterChains }));
  // The application knows an address of this host only: the service's own name goes on as Host.
  const authority = port.number === 80 ? hostname : `${hostname}:${port.number}`;
  set.addRouteConfiguration({
    name,
    virtualHosts: [
      {
        name: resourceNames.virtualHostName(hostname, port.number),
        domains: ['*'],
        routes: serviceRoutes(service, port, {
          scope,
          view: settings.view,
          gateways: ['mesh'],
          port: port.number,
          authority,
        }),
      },
    ],
  });
}

/** Filter chains of connections to a service's port: by the server name that they ask for where rules say so, and of all others. */
export function connectionParts(
  settings: ChainSettings,
  scope: NamespaceScope,
  service: Service,
  port: ServicePort,
): ListenerParts {
  const { connectionPool } = trafficAt(scope.policyFor(service, settings.view), port.number);
  const statPrefix = `outbound_${port.number}_${service.hostname}`;
  const options = { idleTimeoutMs: connectionPool?.idleTimeoutMs };
  const rest = tcpChain(settings, statPrefix, tcpClusters(scope, service, port), options);
  const named = tlsClusters(scope, service, port).map(({ serverNames, clusters }) => ({
    ...tcpChain(settings, statPrefix, clusters, options),
    filterChainMatch: { transportProtocol: 'tls', serverNames: [...serverNames] },
  }));
  if (named.length === 0) return { filterChains: [rest] };
  return { filterChains: [...named, rest], listenerFilters: [tlsInspector] };
}

/** Where connections by TLS to a service's port go, by the server name that they ask for; a name belongs to the first rule that has it. */
function tlsClusters(
  scope: NamespaceScope,
  service: Service,
  port: ServicePort,
): readonly { readonly serverNames: readonly string[]; readonly clusters: WeightedClusters }[] {
  const taken = new Set<string>();
  return winningBindings(scope.meshBindingsFor(service.hostname)).flatMap(({ tlsRoutes }) =>
    tlsRoutes.flatMap(({ matches, destinations }) => {
      const clusters = weightedClusters(destinations, port.number);
      const serverNames = matches
        .filter((match) => holdsInMesh(match, port))
        .flatMap((match) => match.serverNames)
        .filter((name) => !taken.has(name) && taken.add(name) !== undefined);
      return clusters.length === 0 || serverNames.length === 0 ? [] : [{ serverNames, clusters }];
    }),
  );
}

function holdsInMesh(match: ConnectionMatch, port: ServicePort): boolean {
  return (
    (match.port === undefined || match.port === port.number) && (match.gateways?.includes('mesh') ?? true)
  );
}

/** The clusters that a connection to a service's port may go to. */
function tcpClusters(scope: NamespaceScope, service: Service, port: ServicePort): WeightedClusters {
  for (const binding of winningBindings(scope.meshBindingsFor(service.hostname))) {
    for (const route of binding.tcpRoutes) {
      if (route.matches.length > 0 && !route.matches.some((match) => holdsInMesh(match, port))) continue;
      const clusters = weightedClusters(route.destinations, port.number);
      if (clusters.length > 0) return clusters;
    }
  }
  return [
    {
      name: resourceNames.clusterName({
        direction: 'outbound',
        port: port.number,
        subset: '',
        host: service.hostname,
      }),
      weight: 1,
    },
  ];
}
