import { envoy, packAny, resourceNames } from '@heddle/xds-protos';
import { isHttp } from '../model/app-protocol.js';
import { selects } from '../model/build-services.js';
import type { MeshModel, Service, ServicePort } from '../model/mesh-model.js';
import { peerModesOf } from '../model/peer-authentication.js';
import { addressesOf, nameTableOf } from './name-table.js';
import { duration, socketAddress } from './proto-values.js';
import type { CapturedApplication, ProxyView } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { blackHoleCluster, interceptionClusters, passthroughCluster } from './translate-cluster.js';
import { addInboundPort, inboundPassthrough } from './translate-inbound.js';
import {
  httpChain,
  listenerOf,
  originalDestination,
  tcpChain,
  tlsInspector,
  type HttpChainOptions,
} from './translate-listener.js';
import { portVirtualHosts } from './translate-port-routes.js';
import { connectionParts } from './translate-sidecar.js';
import { addTunnels, tunnelledChain } from './translate-tunnels.js';
import { chainSettings, type ChainSettings } from './translate-telemetry.js';
import type { NamespaceScope } from './visibility.js';

type FilterChain = envoy.config.listener.v3.IFilterChain;
type Listener = envoy.config.listener.v3.IListener;
type RouteConfiguration = envoy.config.route.v3.IRouteConfiguration;

/** Where rules of interception lead connections. Source: Istio. */
const OUTBOUND_PORT = 15_001;
const INBOUND_PORT = 15_006;

/** How long a client on a port of HTTP may be silent before its bytes are passed on as they are: some servers speak first. */
const SNIFF_TIMEOUT_MS = 5_000;

/** The application sees who calls it. Source: Istio, where inbound connections come by TPROXY; the mark is that of its rules. */
const originalSource: envoy.config.listener.v3.IListenerFilter = {
  name: 'envoy.filters.listener.original_src',
  typedConfig: packAny(envoy.extensions.filters.listener.original_src.v3.OriginalSrc, { mark: 1337 }),
};

const httpInspector: envoy.config.listener.v3.IListenerFilter = {
  name: 'envoy.filters.listener.http_inspector',
  typedConfig: packAny(envoy.extensions.filters.listener.http_inspector.v3.HttpInspector, {}),
};

/**
 * Listeners and routes of a sidecar to which rules of the kernel lead every connection of its application, as Istio's sidecars
 * have them: one listener takes what goes out and hands it to the one for its destination, another takes what comes in.
 */
export function addCapturedSidecar(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  captured: CapturedApplication,
  scope: NamespaceScope,
): void {
  for (const cluster of interceptionClusters(captured)) set.addCluster(cluster);
  addOutbound(set, model, view, captured, scope);
  set.addNameTable(nameTableOf(model, scope));
  set.addListener(inboundListener(set, model, view, captured));
}

function addOutbound(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  captured: CapturedApplication,
  scope: NamespaceScope,
): void {
  const settings = chainSettings(model, view, 'outbound');
  const elsewhere = elsewhereChain(model, settings);
  set.addListener({
    ...anyAddress(
      listenerOf('outbound', '0.0.0.0', OUTBOUND_PORT, {
        filterChains: [
          // What was not redirected but came here by itself would go round in circles.
          notToItself(settings, OUTBOUND_PORT, 'virtualOutbound-blackhole'),
          { ...elsewhere, name: 'virtualOutbound-catchall-tcp' },
        ],
      }),
      captured,
    ),
    name: resourceNames.outboundListener,
    useOriginalDst: { value: true },
  });
  const httpPorts = new Set<number>();
  const grpcWebPorts = new Set<number>();
  for (const service of scope.services.values()) {
    const addresses = addressesOf(model, service);
    for (const port of service.ports) {
      if (port.protocol === 'grpc-web') grpcWebPorts.add(port.number);
      if (isHttp(port.protocol)) httpPorts.add(port.number);
      else if (port.protocol !== 'udp') addTcp(set, settings, scope, service, port, addresses);
    }
  }
  for (const port of httpPorts) {
    set.addRouteConfiguration(portRoutes(model, scope, view, port));
    const options = { takesGrpcWeb: grpcWebPorts.has(port) };
    set.addListener(httpListener(settings, elsewhere, port, captured, options));
  }
}

/** A listener that is given connections, and has no socket of its own. */
const withoutSocket: Listener = { bindToPort: { value: false } };

/** Requests of any service on a port are told apart by their Host; what is no HTTP goes where it was going. */
function httpListener(
  settings: ChainSettings,
  elsewhere: FilterChain,
  port: number,
  captured: CapturedApplication,
  options: HttpChainOptions,
): Listener {
  const routes = resourceNames.routeConfigurationName({ kind: 'outbound-port', port });
  return {
    ...anyAddress(
      listenerOf('outbound', '0.0.0.0', port, {
        listenerFilters: [tlsInspector, httpInspector],
        filterChains: [
          {
            ...httpChain(settings, `outbound_0.0.0.0_${port}`, routes, options),
            filterChainMatch: {
              transportProtocol: 'raw_buffer',
              applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'],
            },
          },
        ],
      }),
      captured,
    ),
    ...withoutSocket,
    defaultFilterChain: { ...elsewhere, name: 'PassthroughFilterChain' },
    listenerFiltersTimeout: duration(SNIFF_TIMEOUT_MS),
    continueOnListenerFiltersTimeout: true,
  };
}

function addTcp(
  set: ResourceSet,
  settings: ChainSettings,
  scope: NamespaceScope,
  service: Service,
  port: ServicePort,
  addresses: readonly string[],
): void {
  const parts = connectionParts(settings, scope, service, port);
  for (const address of addresses) {
    set.addListener({ ...listenerOf('outbound', address, port.number, parts), ...withoutSocket });
  }
}

const sharedRoutes = new WeakMap<NamespaceScope, Map<string, RouteConfiguration>>();

/** Made once for all proxies of a namespace, unless some rule tells callers apart. */
function portRoutes(
  model: MeshModel,
  scope: NamespaceScope,
  view: ProxyView,
  port: number,
): RouteConfiguration {
  const make = (): RouteConfiguration => ({
    name: resourceNames.routeConfigurationName({ kind: 'outbound-port', port }),
    virtualHosts: portVirtualHosts(scope, view, port, {
      addressesOf: (service) => addressesOf(model, service),
      allowsAny: model.settings.outboundTrafficPolicy === 'ALLOW_ANY',
    }),
    validateClusters: { value: false },
  });
  if (scope.tellsCallersApart) return make();
  let byPort = sharedRoutes.get(scope);
  if (byPort === undefined) sharedRoutes.set(scope, (byPort = new Map()));
  const key = `${port} ${view.mirrors}`;
  let routes = byPort.get(key);
  if (routes === undefined) byPort.set(key, (routes = make()));
  return routes;
}

function inboundListener(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  captured: CapturedApplication,
): Listener {
  const filterChains: FilterChain[] = [
    notToItself(chainSettings(model, view, 'inbound'), INBOUND_PORT, 'virtualInbound-blackhole'),
  ];
  const tunnelled: FilterChain[] = [];
  const { tunnels } = view;
  for (const { name, port } of applicationPorts(model, view, captured)) {
    const { direct, inside } = addInboundPort(set, model, view, { name, port, application: port });
    if (inside !== undefined && tunnels !== undefined)
      tunnelled.push({ ...tunnelledChain(inside, tunnels, port), name: `0.0.0.0_${port}` });
    for (const chain of direct?.filterChains ?? []) {
      filterChains.push({
        ...chain,
        name: `0.0.0.0_${port}`,
        filterChainMatch: { ...chain.filterChainMatch, destinationPort: { value: port } },
      });
    }
  }
  const { direct, inside } = inboundPassthrough(model, view);
  for (const chain of direct?.filterChains ?? []) {
    filterChains.push({ ...chain, name: 'virtualInbound-catchall-tcp' });
  }
  if (inside !== undefined && tunnels !== undefined)
    tunnelled.push({ ...tunnelledChain(inside, tunnels, undefined), name: 'virtualInbound' });
  addTunnels(set, model, view, tunnelled);
  const isTproxy = view.interception === 'TPROXY';
  return {
    ...anyAddress(
      listenerOf('inbound', '0.0.0.0', INBOUND_PORT, {
        filterChains,
        listenerFilters: [originalDestination, ...(isTproxy ? [originalSource] : []), tlsInspector],
      }),
      captured,
    ),
    name: resourceNames.inboundListener,
    ...(isTproxy ? { transparent: { value: true } } : {}),
    // Servers may speak first; plain text from others than sidecars then has nothing that could be looked at.
    listenerFiltersTimeout: duration(SNIFF_TIMEOUT_MS),
    continueOnListenerFiltersTimeout: true,
  };
}

/** The ports that the application says it has, those to which Services refer by number, and those that policies name. */
function applicationPorts(
  model: MeshModel,
  view: ProxyView,
  captured: CapturedApplication,
): readonly { readonly name: string; readonly port: number }[] {
  const ports = new Map(captured.ports.map(({ name, port }) => [port, name]));
  const add = (port: number, name: string): void => {
    if (!ports.has(port)) ports.set(port, name);
  };
  for (const service of model.selectingServices.get(view.namespace) ?? []) {
    if (service.selector === undefined || !selects(service.selector, view.labels)) continue;
    for (const { targetPort, name } of service.ports)
      if (typeof targetPort === 'number') add(targetPort, name);
  }
  for (const port of peerModesOf(model.peerAuthentications, view).ports.keys()) add(port, '');
  return [...ports].map(([port, name]) => ({ port, name })).sort((a, b) => a.port - b.port);
}

function anyAddress(listener: Listener, { ipv6 }: CapturedApplication): Listener {
  if (!ipv6) return listener;
  const port = listener.address?.socketAddress?.portValue ?? 0;
  return { ...listener, additionalAddresses: [{ address: socketAddress('::', port) }] };
}

function notToItself(settings: ChainSettings, port: number, name: string): FilterChain {
  return {
    ...tcpChain(settings, blackHoleCluster, [{ name: blackHoleCluster, weight: 1 }]),
    name,
    filterChainMatch: { destinationPort: { value: port } },
  };
}

function elsewhereChain(model: MeshModel, settings: ChainSettings): FilterChain {
  const allowsAny = model.settings.outboundTrafficPolicy === 'ALLOW_ANY';
  const name = allowsAny ? passthroughCluster : blackHoleCluster;
  return tcpChain(settings, name, [{ name, weight: 1 }]);
}
