import { envoy, resourceNames } from '@heddle/xds-protos';
import { selects } from '../model/build-services.js';
import { compareSpecificity, hostMatches } from '../model/hostname.js';
import type {
  ConnectionDestination,
  ConnectionMatch,
  GatewayConfig,
  GatewayServer,
  MeshModel,
  RouteBinding,
} from '../model/mesh-model.js';
import type { ProxyView } from './proxy-view.js';
import { routesOf } from './translate-virtual-host.js';
import { isVisible, type NamespaceScope } from './visibility.js';

type VirtualHost = envoy.config.route.v3.IVirtualHost;

/** A server of a gateway that a proxy serves. */
export interface BoundServer {
  readonly gateway: GatewayConfig;
  readonly server: GatewayServer;
}

/** What the rules bound to a gateway are looked for in. */
export interface GatewayPlace {
  readonly model: MeshModel;
  readonly view: ProxyView;
  readonly scope: NamespaceScope;
  readonly port: number;
}

/** Clusters that connections go to, by weight. */
export type WeightedClusters = readonly { readonly name: string; readonly weight: number }[];

/** Whether a proxy serves a gateway. */
export function serves(view: Pick<ProxyView, 'namespace' | 'labels'>, gateway: GatewayConfig): boolean {
  return (
    selects(gateway.selector, view.labels) && (gateway.anyNamespace || gateway.namespace === view.namespace)
  );
}

/** The rules bound to some servers of one port, by host. */
export function virtualHostsOf(place: GatewayPlace, servers: readonly BoundServer[]): VirtualHost[] {
  const { model, view, scope, port } = place;
  const gateways = [...new Set(servers.map(({ gateway }) => gateway.key))];
  const byDomain = new Map<string, RouteBinding[]>();
  const redirected = new Set<string>();
  for (const { server } of servers) {
    if (!server.httpsRedirect) continue;
    for (const { host } of server.hosts) {
      redirected.add(host);
      byDomain.set(host, []);
    }
  }
  for (const binding of model.virtualHosts) {
    if (binding.routes.length === 0 || !isVisible(binding.exportTo, view.namespace)) continue;
    for (const bound of servers) {
      for (const domain of domainsOf(binding, bound)) {
        const sharing = byDomain.get(domain) ?? [];
        if (!sharing.includes(binding)) byDomain.set(domain, [...sharing, binding]);
        if (bound.server.httpsRedirect) redirected.add(domain);
      }
    }
  }
  const { ALL } = envoy.config.route.v3.VirtualHost.TlsRequirementType;
  return [...byDomain]
    .sort(([a], [b]) => compareSpecificity(a, b))
    .map(([domain, bindings]) => ({
      name: resourceNames.virtualHostName(domain, port),
      domains: [domain],
      routes: routesOf(bindings, { scope, view, gateways, port, authority: '' }),
      ...(redirected.has(domain) ? { requireTls: ALL } : {}),
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

/** Where connections to some servers of one port go, by the first rule that is for them; empty: nowhere. */
export function tcpClusters(
  { model, view, port }: GatewayPlace,
  servers: readonly BoundServer[],
): WeightedClusters {
  for (const binding of model.virtualHosts) {
    if (!isVisible(binding.exportTo, view.namespace)) continue;
    const bound = servers.find((candidate) => domainsOf(binding, candidate).length > 0);
    if (bound === undefined) continue;
    for (const route of binding.tcpRoutes) {
      if (route.matches.length > 0 && !route.matches.some((match) => holdsAt(match, bound, port))) continue;
      return weightedClusters(route.destinations, port);
    }
  }
  return [];
}

/** Where connections that are passed on as they are go, by the server name that they ask for. */
export function tlsClusters(
  { model, view, port }: GatewayPlace,
  bound: BoundServer,
): readonly { readonly serverNames: readonly string[]; readonly clusters: WeightedClusters }[] {
  const found: { readonly serverNames: readonly string[]; readonly clusters: WeightedClusters }[] = [];
  for (const binding of model.virtualHosts) {
    if (binding.tlsRoutes.length === 0 || !isVisible(binding.exportTo, view.namespace)) continue;
    const domains = domainsOf(binding, bound);
    for (const { matches, destinations } of binding.tlsRoutes) {
      const clusters = weightedClusters(destinations, port);
      if (clusters.length === 0) continue;
      for (const match of matches) {
        if (!holdsAt(match, bound, port)) continue;
        const serverNames = match.serverNames.filter((name) =>
          domains.some((domain) => hostMatches(domain, name)),
        );
        if (serverNames.length > 0) found.push({ serverNames, clusters });
      }
    }
  }
  return found;
}

function holdsAt(match: ConnectionMatch, { gateway }: BoundServer, port: number): boolean {
  return (match.port === undefined || match.port === port) && (match.gateways?.includes(gateway.key) ?? true);
}

/** Clusters of destinations that have a weight. */
export function weightedClusters(
  destinations: readonly ConnectionDestination[],
  port: number,
): WeightedClusters {
  return destinations
    .filter(({ weight }) => weight > 0)
    .map(({ host, port: written, subset, weight }) => ({
      name: resourceNames.clusterName({ direction: 'outbound', port: written ?? port, subset, host }),
      weight,
    }));
}
