import { resourceNames, type envoy } from '@heddle/xds-protos';
import { isHttp } from '../model/app-protocol.js';
import { hostAliases } from '../model/hostname.js';
import type { Service } from '../model/mesh-model.js';
import { duration } from './proto-values.js';
import type { ProxyView } from './proxy-view.js';
import { passthroughCluster } from './translate-cluster.js';
import { routesOf, serviceRoutes, winningBindings, type RoutingPlace } from './translate-virtual-host.js';
import type { NamespaceScope } from './visibility.js';

type VirtualHost = envoy.config.route.v3.IVirtualHost;

/** What intercepted requests on a port depend on beside the rules of their namespace. */
export interface PortRouting {
  /** By which a service may be called instead of by name. */
  readonly addressesOf: (service: Service) => readonly string[];
  /** Whether requests to hosts that are no service's go where they were going. */
  readonly allowsAny: boolean;
}

/** A port that VirtualServices for hosts without a service are served on. Source: Istio. */
const HTTP_PORT = 80;

/** The virtual hosts of all services that have HTTP on a port, by their names and addresses, and of everything else there. */
export function portVirtualHosts(
  scope: NamespaceScope,
  view: ProxyView,
  port: number,
  { addressesOf, allowsAny }: PortRouting,
): VirtualHost[] {
  const taken = new Set<string>();
  const hosts: VirtualHost[] = [];
  const place: RoutingPlace = { scope, view, gateways: ['mesh'], port, authority: '' };
  const add = (host: string, names: readonly string[], routes: VirtualHost['routes']): void => {
    const domains = names.flatMap((name) => withPort(name, port)).filter((domain) => !taken.has(domain));
    for (const domain of domains) taken.add(domain);
    if (domains.length > 0 && (routes?.length ?? 0) > 0)
      hosts.push({ name: resourceNames.virtualHostName(host, port), domains, routes: routes ?? [] });
  };
  for (const service of scope.services.values()) {
    const served = service.ports.find(({ number, protocol }) => number === port && isHttp(protocol));
    if (served === undefined || service.hostname === '*') continue;
    const names = [...hostAliases(service.hostname, view.namespace), ...addressesOf(service)];
    add(service.hostname, names, serviceRoutes(service, served, place));
  }
  if (port === HTTP_PORT) {
    for (const host of scope.meshHosts) {
      if (scope.services.has(host)) continue;
      const bindings = winningBindings(scope.meshBindingsFor(host)).filter(({ routes }) => routes.length > 0);
      if (bindings.length > 0) add(host, [host], routesOf(bindings, place));
    }
  }
  return [...hosts, allowsAny ? allowAny : blockAll];
}

/** A name with its port matches as well; patterns stand for themselves. */
function withPort(name: string, port: number): readonly string[] {
  if (name.startsWith('*')) return [name];
  const host = name.includes(':') ? `[${name}]` : name;
  return [host, `${host}:${port}`];
}

/** Source: Istio's name and route. */
const allowAny: VirtualHost = {
  name: 'allow_any',
  domains: ['*'],
  routes: [
    {
      name: 'allow_any',
      match: { prefix: '/' },
      route: { cluster: passthroughCluster, timeout: duration(0) },
    },
  ],
};

/** Source: Istio's name and answer. */
const blockAll: VirtualHost = {
  name: 'block_all',
  domains: ['*'],
  routes: [{ name: 'block_all', match: { prefix: '/' }, directResponse: { status: 502 } }],
};
