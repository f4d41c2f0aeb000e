import { resourceNames, type envoy } from '@heddle/xds-protos';
import { isHttp, portProtocol } from '../model/app-protocol.js';
import { selects } from '../model/build-services.js';
import type { MeshModel, Service, ServicePort } from '../model/mesh-model.js';
import { peerModeAt, peerModesOf, type PeerMode } from '../model/peer-authentication.js';
import { meshAlpn, meshServerSocket } from './mesh-tls.js';
import { duration } from './proto-values.js';
import type { ExplicitPorts, ProxyView } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { inboundCluster, inboundPassthroughCluster } from './translate-cluster.js';
import { acceptGuards, connectionGuards, requestGuards } from './request-guards.js';
import { httpChain, listenerOf, tcpChain, tlsInspector, type ListenerParts } from './translate-listener.js';
import { chainSettings } from './translate-telemetry.js';
import { inboundRetryPolicy } from './translate-retries.js';
import { addTunnels, tunnelledChain } from './translate-tunnels.js';

type FilterChain = envoy.config.listener.v3.IFilterChain;

/** What others reach the application by. */
export function addInbound(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  explicit: ExplicitPorts,
): void {
  const tunnelled: FilterChain[] = [];
  for (const inbound of explicit.inbound) {
    const { direct, inside } = addInboundPort(set, model, view, inbound);
    if (direct !== undefined)
      set.addListener(listenerOf('inbound', explicit.bindAddress, inbound.listen, direct));
    // Whoever calls knows this port of ours, and no other.
    if (inside !== undefined && view.tunnels !== undefined)
      tunnelled.push(tunnelledChain(inside, view.tunnels, inbound.listen));
  }
  addTunnels(set, model, view, tunnelled);
}

/** A port of the application: `port` is its own number for it, by which policies know it. */
export interface InboundPort {
  readonly name: string;
  readonly port: number;
  /** Where it really listens. */
  readonly application: number;
}

/** By what connections to a port of the application go. */
export interface InboundChains {
  /** What connections to it are told apart by; undefined: none may be accepted. */
  readonly direct: ListenerParts | undefined;
  /** Of those that came through a tunnel, and so by mutual TLS; undefined: it takes none. */
  readonly inside: FilterChain | undefined;
}

/** Adds the cluster and the routes of one port of the application, and gives the chains that use them. */
export function addInboundPort(
  set: ResourceSet,
  model: MeshModel,
  view: ProxyView,
  { name, port, application }: InboundPort,
): InboundChains {
  const inbound = chainSettings(model, view, 'inbound');
  const modes = peerModesOf(model.peerAuthentications, view);
  const found = servicePortOf(model, view, name, port, application);
  const protocol = found?.port.protocol ?? portProtocol({ name });
  const speaks = isHttp(protocol) ? 'http' : 'tcp';
  const cluster = inboundCluster(application, protocol, found?.service, view.captured);
  const clusterName = cluster.name ?? '';
  set.addCluster(cluster);
  const statPrefix = `inbound_${application}`;
  const routeName = resourceNames.routeConfigurationName({ kind: 'inbound', port: application });
  const chainFor = (isTunnelled: boolean): FilterChain => {
    const guarded = { model, subject: view, port, isTunnelled };
    const settings = { ...inbound, isTunnelled };
    return speaks === 'http'
      ? httpChain(settings, statPrefix, routeName, {
          guards: requestGuards(guarded),
          connectionGuards: acceptGuards(guarded),
          takesGrpcWeb: protocol === 'grpc-web',
        })
      : tcpChain(settings, statPrefix, [{ name: clusterName, weight: 1 }], {
          guards: connectionGuards(guarded),
        });
  };
  const direct = acceptedConnections(
    chainFor(false),
    peerModeAt(modes, port),
    speaks,
    view.mtls ? model.settings.trustDomain : undefined,
  );
  const chains = { direct, inside: view.tunnels === undefined ? undefined : chainFor(true) };
  // Nobody may enter in plain text, and this proxy has nothing else to offer: the port stays closed.
  if (direct === undefined || speaks === 'tcp') return chains;
  set.addRouteConfiguration({
    name: routeName,
    virtualHosts: [
      {
        name: resourceNames.virtualHostName('inbound', application),
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { prefix: '/' },
            route: { cluster: clusterName, timeout: duration(0), retryPolicy: inboundRetryPolicy },
          },
        ],
      },
    ],
  });
  return chains;
}

/** Connections to ports of the application that nobody has declared; their bytes are passed on. */
export function inboundPassthrough(model: MeshModel, view: ProxyView): InboundChains {
  const inbound = chainSettings(model, view, 'inbound');
  const clusters = [{ name: inboundPassthroughCluster, weight: 1 }];
  const chainFor = (isTunnelled: boolean): FilterChain => {
    const guards = connectionGuards({ model, subject: view, port: undefined, isTunnelled });
    return tcpChain({ ...inbound, isTunnelled }, inboundPassthroughCluster, clusters, { guards });
  };
  const { mode } = peerModesOf(model.peerAuthentications, view);
  const trustDomain = view.mtls ? model.settings.trustDomain : undefined;
  return {
    direct: acceptedConnections(chainFor(false), mode, 'tcp', trustDomain),
    inside: view.tunnels === undefined ? undefined : chainFor(true),
  };
}

/**
 * Who gets in under a mode of PeerAuthentication.
 *
 * Shape: `trustDomain` undefined is a proxy without an identity. The result is undefined where no connection may be accepted.
 * Source: Istio's getFilterChainMatchOptions; STRICT needs no inspector, as there is nothing to tell apart.
 */
function acceptedConnections(
  chain: FilterChain,
  mode: PeerMode,
  speaks: 'http' | 'tcp',
  trustDomain: string | undefined,
): ListenerParts | undefined {
  if (trustDomain === undefined) return mode === 'strict' ? undefined : { filterChains: [chain] };
  const transportSocket = meshServerSocket(trustDomain, speaks);
  switch (mode) {
    case 'disable':
      return { filterChains: [chain] };
    case 'strict':
      return { filterChains: [{ ...chain, transportSocket }] };
    case 'permissive': {
      const mutual: FilterChain = {
        ...chain,
        filterChainMatch: { transportProtocol: 'tls', applicationProtocols: [...meshAlpn] },
        transportSocket,
      };
      const plain: FilterChain = { ...chain, filterChainMatch: { transportProtocol: 'raw_buffer' } };
      // TLS of the application's own is bytes like any others.
      const foreign: FilterChain = { ...chain, filterChainMatch: { transportProtocol: 'tls' } };
      return {
        listenerFilters: [tlsInspector],
        filterChains: speaks === 'http' ? [mutual, plain] : [mutual, plain, foreign],
      };
    }
  }
}

/** The service in front of a port of the application, with its port: it says what the application speaks. */
function servicePortOf(
  model: MeshModel,
  view: ProxyView,
  name: string,
  own: number,
  application: number,
): { readonly service: Service; readonly port: ServicePort } | undefined {
  for (const service of model.selectingServices.get(view.namespace) ?? []) {
    if (service.selector === undefined || !selects(service.selector, view.labels)) continue;
    const port =
      service.ports.find(({ targetPort }) => targetPort === name) ??
      service.ports.find((candidate) => candidate.name === name) ??
      service.ports.find(({ targetPort }) => targetPort === own) ??
      service.ports.find(({ targetPort }) => targetPort === application);
    if (port !== undefined) return { service, port };
  }
  return undefined;
}
