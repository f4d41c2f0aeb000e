import { resourceNames, type envoy } from '@heddle/xds-protos';
import type { MeshModel } from '../model/mesh-model.js';
import {
  serves,
  tcpClusters,
  tlsClusters,
  virtualHostsOf,
  type BoundServer,
  type GatewayPlace,
} from './gateway-routes.js';
import { serverSocket } from './gateway-tls.js';
import type { ProxyView } from './proxy-view.js';
import { acceptGuards, connectionGuards, requestGuards } from './request-guards.js';
import type { ResourceSet } from './resource-set.js';
import { httpChain, listenerOf, tcpChain, tlsInspector } from './translate-listener.js';
import { chainSettings } from './translate-telemetry.js';
import { addTunnels } from './translate-tunnels.js';
import type { NamespaceScope } from './visibility.js';

type FilterChain = envoy.config.listener.v3.IFilterChain;

/** Listeners and routes of a gateway: its servers by port, and the rules bound to them. */
export function addGateway(set: ResourceSet, model: MeshModel, view: ProxyView, scope: NamespaceScope): void {
  const byPort = new Map<number, BoundServer[]>();
  for (const gateway of model.gateways.values()) {
    if (!serves(view, gateway)) continue;
    for (const server of gateway.servers) {
      byPort.set(server.port, [...(byPort.get(server.port) ?? []), { gateway, server }]);
    }
  }
  for (const [port, servers] of [...byPort].sort(([a], [b]) => a - b))
    addPort(set, { model, view, scope, port }, servers);
  addTunnels(set, model, view);
}

/** A port may be shared by servers of plain text and of TLS: the first bytes tell. */
function addPort(set: ResourceSet, place: GatewayPlace, servers: readonly BoundServer[]): void {
  const { view, port } = place;
  const address = view.explicit?.bindAddress ?? '0.0.0.0';
  const mapped = view.explicit?.gatewayPorts ?? {};
  const listen = Object.hasOwn(mapped, String(port)) ? (mapped[String(port)] as number) : port;
  const secure = secureChains(
    set,
    place,
    servers.filter(({ server }) => server.tls !== undefined),
  );
  const plain = plainChain(
    set,
    place,
    servers.filter(({ server }) => server.tls === undefined),
  );
  if (secure.length === 0) {
    if (plain !== undefined)
      set.addListener(listenerOf('gateway', address, listen, { filterChains: [plain] }));
    return;
  }
  const filterChains =
    plain === undefined
      ? secure
      : [...secure, { ...plain, filterChainMatch: { transportProtocol: 'raw_buffer' } }];
  set.addListener(listenerOf('gateway', address, listen, { filterChains, listenerFilters: [tlsInspector] }));
}

function plainChain(
  set: ResourceSet,
  place: GatewayPlace,
  servers: readonly BoundServer[],
): FilterChain | undefined {
  const { model, view, port } = place;
  const settings = chainSettings(model, view, 'gateway');
  const guarded = { model, subject: view, port };
  const http = servers.filter(({ server }) => server.protocol !== 'tcp');
  if (http.length === 0) {
    const clusters = tcpClusters(place, servers);
    return clusters.length === 0
      ? undefined
      : tcpChain(settings, `gateway_${port}`, clusters, { guards: connectionGuards(guarded) });
  }
  const name = resourceNames.routeConfigurationName({ kind: 'gateway-http', port });
  addRoutes(set, place, name, http);
  return httpChain(settings, `gateway_${port}`, name, {
    guards: requestGuards(guarded),
    connectionGuards: acceptGuards(guarded),
    takesGrpcWeb: http.some(({ server }) => server.protocol === 'grpc-web'),
  });
}

/**
 * One filter chain for each server, chosen by the server name that the client asks for.
 *
 * Shape: a name belongs to the first server that has it. A server whose certificate is not there is left out: its clients are
 * turned away, and no other server of the port waits for it.
 */
function secureChains(set: ResourceSet, place: GatewayPlace, servers: readonly BoundServer[]): FilterChain[] {
  const taken = new Set<string>();
  const chains: FilterChain[] = [];
  const guarded = { model: place.model, subject: place.view, port: place.port };
  const guards = requestGuards(guarded);
  const tcpOptions = { guards: connectionGuards(guarded) };
  const settings = chainSettings(place.model, place.view, 'gateway');
  const add = (serverNames: readonly string[], chain: FilterChain): void => {
    const names = [...new Set(serverNames)].filter((name) => !taken.has(name));
    for (const name of names) taken.add(name);
    if (names.length === 0) return;
    chains.push({ ...chain, filterChainMatch: matchOf(names) });
  };
  for (const bound of servers) {
    const { server, gateway } = bound;
    const { tls } = server;
    if (tls === undefined) continue;
    const statPrefix = `gateway_${place.port}_${server.name}`;
    if (tls.mode === 'passthrough') {
      for (const { serverNames, clusters } of tlsClusters(place, bound)) {
        add(serverNames, tcpChain(settings, statPrefix, clusters, tcpOptions));
      }
      continue;
    }
    const speaks = server.protocol === 'tcp' ? 'tcp' : 'http';
    const transportSocket = serverSocket(place, tls, speaks);
    if (transportSocket === undefined) continue;
    const hosts = server.hosts.map(({ host }) => host);
    if (speaks === 'tcp') {
      const clusters = tcpClusters(place, [bound]);
      if (clusters.length > 0)
        add(hosts, { ...tcpChain(settings, statPrefix, clusters, tcpOptions), transportSocket });
      continue;
    }
    const routes = resourceNames.routeConfigurationName({
      kind: 'gateway-https',
      port: place.port,
      portName: server.name,
      gateway: gateway.name,
      namespace: gateway.namespace,
    });
    const before = chains.length;
    add(hosts, {
      ...httpChain(settings, statPrefix, routes, {
        guards,
        connectionGuards: acceptGuards(guarded),
        takesGrpcWeb: server.protocol === 'grpc-web',
      }),
      transportSocket,
    });
    if (chains.length > before) addRoutes(set, place, routes, [bound]);
  }
  return chains;
}

/** `*` among names is every client, also one that asks for none. */
function matchOf(serverNames: readonly string[]): envoy.config.listener.v3.IFilterChainMatch {
  const named = serverNames.includes('*') ? {} : { serverNames: [...serverNames] };
  return { transportProtocol: 'tls', ...named };
}

function addRoutes(
  set: ResourceSet,
  place: GatewayPlace,
  name: string,
  servers: readonly BoundServer[],
): void {
  set.addRouteConfiguration({
    name,
    virtualHosts: virtualHostsOf(place, servers),
    // Callers may reach the gateway by another port than its own.
    ignorePortInHostMatching: true,
  });
}
