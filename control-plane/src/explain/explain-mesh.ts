import { isIP } from 'node:net';
import {
  hostAndPort,
  explainRequest,
  HeaderMap,
  type CertificateInfo,
  type ExplainedConnection,
  type ExplainedWay,
  type RequestExplanation,
  type RequestHead,
  type TlsInfo,
} from '@heddle/engine';
import { resourceNames } from '@heddle/xds-protos';
import { hostAliases } from '../model/hostname.js';
import type { Endpoint, MeshModel } from '../model/mesh-model.js';
import type { MeshResource } from '../model/mesh-resource.js';
import type { RawResource } from '../snapshot/resource-store.js';
import { meshAlpn, spiffeId } from '../translate/mesh-tls.js';
import { addressesOf } from '../translate/name-table.js';
import type { ProxyView } from '../translate/proxy-view.js';
import { scopeOf } from '../translate/visibility.js';
import { MAIN_INTERNAL } from '../translate/translate-tunnels.js';
import { policyOrigin, resourceOrigin, routeOrigin, type ConfigOrigin } from './origin-of.js';
import { proxyConfigOf } from './proxy-config-of.js';
import type { RequestUrl } from './request-url.js';

/** A proxy of the mesh, as far as its part in a request can be told. */
export interface ExplainableProxy {
  readonly view: ProxyView;
  readonly resources: () => Iterable<RawResource>;
}

/** The mesh that a request is explained in. */
export interface ExplainedMesh {
  readonly model: MeshModel;
  readonly resources: ReadonlyMap<string, MeshResource>;
  /** The sidecar (or gateway) of a workload; undefined: there is none. */
  readonly proxyOf: (namespace: string, workload: string) => ExplainableProxy | undefined;
  /** Wall clock, for tokens. */
  readonly nowMs: number;
}

/** A request of a workload; of a gateway, one that comes to it from outside. */
export interface RequestToExplain {
  readonly from: { readonly namespace: string; readonly workload: string };
  readonly method: string;
  readonly url: RequestUrl;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /**
   * How an application that is told where to connect calls: by the port for the service, or as to an HTTP proxy. Default: by the
   * port, if there is one.
   */
  readonly via?: 'port' | 'http-proxy';
}

/** What the proxy before a destination does with what comes to it. */
export interface ExplainedArrival {
  readonly workload: string;
  readonly endpoint: string;
  /** The identity of the caller, as the proxy sees it proven; empty: plain text. */
  readonly principal: string;
  /** undefined: no proxy is known there. */
  readonly explanation: RequestExplanation | undefined;
}

export interface ExplainedMeshWay extends ExplainedWay {
  /** The DestinationRule that is in force for its service. */
  readonly destinationRule: ConfigOrigin | undefined;
  readonly arrivals: readonly ExplainedArrival[];
}

/** What the mesh would do with a request, and why. */
export interface MeshExplanation {
  readonly from: { readonly namespace: string; readonly workload: string; readonly role: ProxyView['role'] };
  readonly to: Pick<ExplainedConnection, 'destinationIp' | 'destinationPort'>;
  readonly outbound: Omit<RequestExplanation, 'ways'> & { readonly ways: readonly ExplainedMeshWay[] };
  /** Where the rule of the matched route stands. */
  readonly rule: ConfigOrigin | undefined;
  /** Where the policies stand that decided, by their names. */
  readonly policies: Readonly<Record<string, ConfigOrigin>>;
  /** Resources that the caller's proxy would refuse. */
  readonly refused: readonly string[];
}

/** Why a request cannot be explained. */
export interface NotExplained {
  readonly problem: string;
}

/** Where a caller without an address of its own is said to be. Source: RFC 5737. */
const SOMEWHERE = '192.0.2.1';
/** Of a client of a gateway. Source: RFC 5737. */
const OUTSIDE = '198.51.100.1';
const LOOPBACK = '127.0.0.1';
const SOURCE_PORT = 50_000;

/** Follows a request from the proxy of its caller to those of its destinations, by the code that they run. */
export function explainMesh(mesh: ExplainedMesh, request: RequestToExplain): MeshExplanation | NotExplained {
  const { namespace, workload } = request.from;
  const proxy = mesh.proxyOf(namespace, workload);
  if (proxy === undefined) return { problem: `no sidecar or gateway of ${namespace}/${workload} is known` };
  const { view } = proxy;
  const entry = entryOf(mesh.model, view, request);
  if ('problem' in entry) return entry;
  const { config, refused } = proxyConfigOf(proxy.resources());
  const outbound = explainRequest({ config, ...entry, nowMs: mesh.nowMs });
  const ways = outbound.ways.map((way) => ({
    ...way,
    destinationRule: destinationRuleOf(mesh, view, way.cluster),
    arrivals: way.answer === undefined ? arrivalsOf(mesh, view, way) : [],
  }));
  const route = outbound.routing?.routes.find(({ matched }) => matched);
  return {
    from: { namespace, workload, role: view.role },
    to: entry.connection,
    outbound: { ...outbound, ways },
    rule: route && routeOrigin(mesh.resources, route.name),
    policies: policiesOf(mesh, [
      outbound,
      ...ways.flatMap(({ arrivals }) => arrivals.flatMap(({ explanation }) => explanation ?? [])),
    ]),
    refused,
  };
}

interface Entry {
  readonly connection: ExplainedConnection;
  readonly head: RequestHead;
  readonly listener?: string;
}

/** How the request comes into the caller's proxy. */
function entryOf(model: MeshModel, view: ProxyView, request: RequestToExplain): Entry | NotExplained {
  const { url } = request;
  const { host, port } = url;
  const isTls = url.scheme === 'https';
  const head = headOf(request.method, url.authority, url.path, request.headers);
  const connection = (to: Partial<ExplainedConnection>): ExplainedConnection => ({
    sourceIp: LOOPBACK,
    sourcePort: SOURCE_PORT,
    destinationIp: view.explicit?.bindAddress ?? LOOPBACK,
    destinationPort: port,
    tls: undefined,
    ...to,
  });
  if (view.role === 'gateway') {
    const tls = isTls ? tlsInfo({ serverName: host, applicationProtocol: 'http/1.1' }) : undefined;
    const destinationPort = view.explicit?.gatewayPorts[String(port)] ?? port;
    return { connection: connection({ sourceIp: OUTSIDE, destinationPort, tls }), head };
  }
  if (isTls)
    return { problem: 'a sidecar sees only bytes of https; http:// is what applications speak in a mesh' };
  const scope = scopeOf(model, view.namespace);
  const service = [...scope.services.values()].find(({ hostname }) =>
    hostAliases(hostname, view.namespace).includes(host),
  );
  const { explicit } = view;
  if (explicit !== undefined) {
    const own = service === undefined ? undefined : explicit.outbound[`${service.hostname}:${port}`];
    if (own !== undefined && request.via !== 'http-proxy') {
      head.authority = `${explicit.bindAddress}:${own}`;
      return { connection: connection({ destinationPort: own }), head };
    }
    if (explicit.httpProxy === 0)
      return {
        problem: `${view.workloadName} has no port for ${url.authority}, and none that takes any service by its Host`,
      };
    return { connection: connection({ destinationPort: explicit.httpProxy }), head };
  }
  const [address] = service === undefined ? (isIP(host) > 0 ? [host] : []) : addressesOf(model, service);
  return {
    connection: connection({ sourceIp: SOMEWHERE, destinationIp: address ?? OUTSIDE }),
    head,
    listener: resourceNames.outboundListener,
  };
}

function headOf(
  method: string,
  authority: string,
  path: string,
  fields: RequestToExplain['headers'],
): RequestHead {
  const headers = new HeaderMap();
  let host = authority;
  for (const [name, value] of fields) {
    if (name.toLowerCase() === 'host') host = value;
    else headers.append(name.toLowerCase(), value, name);
  }
  return { method, scheme: 'http', authority: host, path, headers, version: 'HTTP/1.1', upgrade: '' };
}

/** One arrival for each workload that may get the request. */
function arrivalsOf(mesh: ExplainedMesh, caller: ProxyView, way: ExplainedWay): readonly ExplainedArrival[] {
  const { forward } = way;
  if (forward === undefined) return [];
  const parts = resourceNames.parseClusterName(way.cluster);
  if (parts?.direction !== 'outbound') return [];
  const service = scopeOf(mesh.model, caller.namespace).services.get(parts.host);
  const arrivals = new Map<string, ExplainedArrival>();
  const chosen = forward.cluster.endpoints.some((one) => one.chosen);
  for (const endpoint of forward.cluster.endpoints) {
    if (!endpoint.usable || (chosen && !endpoint.chosen)) continue;
    const found = service?.endpoints.find(
      ({ address, ports }) => hostAndPort(address, ports[parts.port] ?? 0) === endpoint.address,
    );
    if (found === undefined) continue;
    const key = `${found.namespace}/${found.workloadName}`;
    if (arrivals.has(key)) continue;
    arrivals.set(key, arrivalAt(mesh, caller, way, endpoint, found, found.ports[parts.port] ?? 0));
  }
  return [...arrivals.values()];
}

function arrivalAt(
  mesh: ExplainedMesh,
  caller: ProxyView,
  way: ExplainedWay,
  { address, transport, sni }: NonNullable<ExplainedWay['forward']>['cluster']['endpoints'][number],
  endpoint: Endpoint,
  port: number,
): ExplainedArrival {
  const { trustDomain } = mesh.model.settings;
  const isTunnelled = transport === 'a tunnel by mutual TLS';
  const isMutual = isTunnelled || transport === 'mutual TLS';
  const principal = isMutual ? spiffeId(trustDomain, `${caller.namespace}/${caller.serviceAccount}`) : '';
  const common = { workload: `${endpoint.namespace}/${endpoint.workloadName}`, endpoint: address, principal };
  const proxy = mesh.proxyOf(endpoint.namespace, endpoint.workloadName);
  const { forward } = way;
  if (proxy === undefined || forward === undefined) return { ...common, explanation: undefined };
  const { view } = proxy;
  const tls = tlsInfo({
    serverName: sni,
    applicationProtocol: meshAlpn[0] ?? '',
    peer: principal,
    local: spiffeId(trustDomain, `${view.namespace}/${view.serviceAccount}`),
  });
  const explanation = explainRequest({
    config: proxyConfigOf(proxy.resources()).config,
    connection: {
      sourceIp: caller.explicit?.bindAddress ?? SOMEWHERE,
      sourcePort: SOURCE_PORT,
      destinationIp: endpoint.address,
      destinationPort: port,
      tls: isMutual ? tls : undefined,
    },
    head: headOf(forward.method, forward.authority, forward.path, forward.headers),
    ...arrivingListener(view, isTunnelled),
    nowMs: mesh.nowMs,
  });
  return { ...common, explanation };
}

/** Which listener takes a connection, where that is not the one of its destination. */
function arrivingListener({ captured }: ProxyView, isTunnelled: boolean): { readonly listener?: string } {
  if (isTunnelled) return { listener: MAIN_INTERNAL };
  return captured === undefined ? {} : { listener: resourceNames.inboundListener };
}

function destinationRuleOf(mesh: ExplainedMesh, view: ProxyView, cluster: string): ConfigOrigin | undefined {
  const host = resourceNames.parseClusterName(cluster)?.host ?? '';
  const scope = scopeOf(mesh.model, view.namespace);
  const service = scope.services.get(host);
  const policy = service && scope.policyFor(service, view);
  const key = mesh.model.destinationPolicies.find((one) => one === policy)?.key;
  return key === undefined ? undefined : resourceOrigin(mesh.resources, key);
}

function policiesOf(
  { resources }: ExplainedMesh,
  explanations: readonly RequestExplanation[],
): Readonly<Record<string, ConfigOrigin>> {
  const origins: Record<string, ConfigOrigin> = {};
  for (const { connectionFilters, ways } of explanations) {
    for (const { rbac } of [...connectionFilters, ...ways.flatMap(({ filters }) => filters)]) {
      if (rbac === undefined || rbac.policyName === '') continue;
      const origin = policyOrigin(resources, rbac.policyName);
      if (origin !== undefined) origins[rbac.policyName] = origin;
    }
  }
  return origins;
}

function tlsInfo(options: {
  readonly serverName: string;
  readonly applicationProtocol: string;
  readonly peer?: string;
  readonly local?: string;
}): TlsInfo {
  const { serverName, applicationProtocol, peer, local } = options;
  return {
    version: 'TLSv1.3',
    cipherSuite: 'TLS_AES_128_GCM_SHA256',
    serverName,
    applicationProtocol,
    resumed: false,
    peer: peer === undefined ? undefined : certificateOf(peer),
    local: local === undefined ? undefined : certificateOf(local),
  };
}

/** Of a workload: its name, and nothing that only a real certificate has. */
function certificateOf(uri: string): CertificateInfo {
  return {
    uriSans: [uri],
    dnsSans: [],
    subject: '',
    issuer: '',
    serialHex: '',
    sha256Hex: '',
    notBeforeMs: 0,
    notAfterMs: 0,
    pem: () => '',
  };
}
