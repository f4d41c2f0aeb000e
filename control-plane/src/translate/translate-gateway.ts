import { resourceNames, type envoy } from '@heddle/xds-protos';
import { selects } from '../model/build-services.js';
import { compareSpecificity, hostMatches } from '../model/hostname.js';
import type { GatewayConfig, GatewayServer, MeshModel, RouteBinding } from '../model/mesh-model.js';
import type { ProxyView } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { requestGuards } from './request-guards.js';
import { httpChain, listenerOf, tcpChain } from './translate-listener.js';
import { routesOf } from './translate-virtual-host.js';
import { isVisible, type NamespaceScope } from './visibility.js';

/** A server of a gateway that this proxy serves. */
interface BoundServer {
  readonly gateway: GatewayConfig;
  readonly server: GatewayServer;
}

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
    addPort(set, model, view, scope, port, servers);
}

/** Whether a proxy serves a gateway. */
export function serves(view: Pick<ProxyView, 'namespace' | 'labels'>, gateway: GatewayConfig): boolean {
  return (
    selects(gateway.selector, view.labels) && (gateway.anyNamespace || gateway.namespace === view.namespace)
  );
}

function addPort(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  scope: NamespaceScope,
  port: number,
  servers: readonly BoundServer[],
): void {
  const address = view.explicit?.bindAddress ?? '0.0.0.0';
  const mapped = view.explicit?.gatewayPorts ?? {};
  const listen = Object.hasOwn(mapped, String(port)) ? (mapped[String(port)] as number) : port;
  const http = servers.filter(({ server }) => server.protocol !== 'tcp');
  if (http.length === 0) {
    const clusters = tcpClusters(model, view, port, servers);
    if (clusters.length > 0) {
      const filterChains = [tcpChain(view, `gateway_${port}`, clusters)];
      set.addListener(listenerOf('gateway', address, listen, { filterChains }));
    }
    return;
  }
  const name = resourceNames.routeConfigurationName({ kind: 'gateway-http', port });
  const guards = requestGuards(model, view);
  const filterChains = [httpChain(view, 'gateway', `gateway_${port}`, name, guards)];
  set.addListener(listenerOf('gateway', address, listen, { filterChains }));
  set.addRouteConfiguration({
    name,
    virtualHosts: virtualHostsOf(model, view, scope, port, http),
    // Callers may reach the gateway by another port than its own.
    ignorePortInHostMatching: true,
  });
}

function virtualHostsOf(
  model: MeshModel,
  view: ProxyView,
  scope: NamespaceScope,
  port: number,
  servers: readonly BoundServer[],
): envoy.config.route.v3.IVirtualHost[] {
  const gateways = [...new Set(servers.map(({ gateway }) => gateway.key))];
  const byDomain = new Map<string, RouteBinding[]>();
  for (const binding of model.virtualHosts) {
    if (binding.routes.length === 0 || !isVisible(binding.exportTo, view.namespace)) continue;
    for (const bound of servers) {
      for (const domain of domainsOf(binding, bound)) {
        const sharing = byDomain.get(domain) ?? [];
        if (!sharing.includes(binding)) byDomain.set(domain, [...sharing, binding]);
      }
    }
  }
  return [...byDomain]
    .sort(([a], [b]) => compareSpecificity(a, b))
    .map(([domain, bindings]) => ({
      name: resourceNames.virtualHostName(domain, port),
      domains: [domain],
      routes: routesOf(bindings, { scope, view, gateways, port, authority: '' }),
    }));
}

/** The host names for which a server serves some rules: where the hosts of both meet. */
export function domainsOf(binding: RouteBinding, { gateway, server }: BoundServer): readonly string[] {
  if (!binding.gateways.includes(gateway.key)) return [];
  const wanted = binding.gatewayServers?.get(gateway.key);
  if (wanted !== undefined && !wanted.includes(server.name)) return [];
  const domains: string[] = [];
  for (const { namespace, host: served } of server.hosts) {
    if (namespace !== '*' && namespace !== binding.namespace) continue;
    for (const host of binding.hosts) {
      if (hostMatches(served, host)) domains.push(host);
      else if (hostMatches(host, served)) domains.push(served);
    }
  }
  return [...new Set(domains)];
}

function tcpClusters(
  model: MeshModel,
  view: ProxyView,
  port: number,
  servers: readonly BoundServer[],
): readonly { readonly name: string; readonly weight: number }[] {
  for (const binding of model.virtualHosts) {
    if (!isVisible(binding.exportTo, view.namespace)) continue;
    const bound = servers.find((candidate) => domainsOf(binding, candidate).length > 0);
    if (bound === undefined) continue;
    for (const route of binding.tcpRoutes) {
      const holds = (match: (typeof route.matches)[number]): boolean =>
        (match.port === undefined || match.port === port) &&
        (match.gateways?.includes(bound.gateway.key) ?? true);
      if (route.matches.length > 0 && !route.matches.some(holds)) continue;
      const targets = route.destinations.filter(({ weight }) => weight > 0);
      return targets.map(({ host, port: written, subset, weight }) => ({
        name: resourceNames.clusterName({ direction: 'outbound', port: written ?? port, subset, host }),
        weight,
      }));
    }
  }
  return [];
}
