import { isIP } from 'node:net';
import { parseWorkloadId, type SpiffeId } from '@heddle/certs';
import { HBONE_PORT } from '@heddle/injector';
import type { envoy } from '@heddle/xds-protos';
import type { Locality } from '../model/mesh-model.js';
import { MetadataReader, quote } from './node-metadata.js';

/**
 * What translation may know of a proxy, and nothing else: two proxies with equal views get the very same resources, so
 * the view's key is the cache key. Built from the xDS `Node` and from who the proxy has proven to be, in `proxy-view.ts`
 * only.
 */
export interface ProxyView {
  readonly role: 'sidecar' | 'gateway';
  readonly namespace: string;
  /** The workload's labels, by which services select it and gateways and policies apply. */
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly workloadName: string;
  /** Where it runs, if its node says so. */
  readonly locality?: Locality;
  /** How traffic gets into the proxy. Istio's names: REDIRECT and TPROXY are transparent, NONE is explicit. */
  readonly interception: 'NONE' | 'REDIRECT' | 'TPROXY';
  /** Only with interception NONE. */
  readonly explicit: ExplicitPorts | undefined;
  /** A gRPC program that is its own proxy. Source: Istio's node metadata `GENERATOR` `grpc`. */
  readonly isProxyless?: true;
  /** Only of sidecars with another interception than NONE. */
  readonly captured?: CapturedApplication | undefined;
  /** Where access logs go, a path at the proxy. Source: node metadata `HEDDLE_ACCESS_LOG`; default `/dev/stdout`; `none`: off. */
  readonly accessLogPath: string;
  /** Whether the proxy can copy requests to mirrors; others would refuse the routes. Source: node user agent `envoy`. */
  readonly mirrors: boolean;
  /** Whether the proxy has Istio's filters for metadata and metrics; Envoy would refuse them. Source: node user agent `heddle-proxy`. */
  readonly istioFilters: boolean;
  /**
   * Whether the proxy has an identity of the mesh, so that the secrets `default` and `ROOTCA` come to it. Another is never
   * told to speak mutual TLS: it would wait for them for ever. Source: node metadata `HEDDLE_MTLS`; else that the node names its
   * identity, as heddle-proxy with one does (`HEDDLE_IDENTITY`).
   */
  readonly mtls: boolean;
  /**
   * It speaks HBONE: it reaches those who take tunnels by tunnels, and takes them itself. Only of proxies with an identity.
   * Source: Istio's node metadata `ENABLE_HBONE`.
   */
  readonly tunnels?: TunnelPlace;
  /**
   * Where public authorities are listed, a path at the proxy; empty where it knows them itself. Source: node metadata
   * `HEDDLE_SYSTEM_ROOTS`; for Envoy, which has to be told, Debian's.
   */
  readonly systemRootsPath: string;
  /**
   * The SPIFFE ID that the proxy has proven, and that namespace and service account agree with; absent: all of this is only
   * what it says.
   */
  readonly identity?: string;
  /** It might have proven who it is, and did not: it gets no Secret, whatever it says that it is. */
  readonly isUnproven?: true;
}

/** Where a proxy takes tunnels, and to where they may lead. */
export interface TunnelPlace {
  /** 0: it takes none. */
  readonly port: number;
  /** The workload's own; without any it takes none. */
  readonly addresses: readonly string[];
}

/**
 * The ports of a proxy whose application is told where to connect, instead of being intercepted.
 *
 * Source: node metadata `HEDDLE_EXPLICIT`. All on `bindAddress` (127.0.0.1 where nothing better can be had).
 */
export interface ExplicitPorts {
  readonly bindAddress: string;
  /**
   * What others reach the application by: `listen` is ours, `application` is where the application really listens. `port` is
   * the workload's own number for it, by which policies know it; it differs where a launcher moved the application.
   */
  readonly inbound: readonly {
    readonly name: string;
    readonly port: number;
    readonly listen: number;
    readonly application: number;
  }[];
  /** A port of ours for each service port, by `HOSTNAME:PORT` (`reviews.default.svc.cluster.local:9080`). */
  readonly outbound: Readonly<Record<string, number>>;
  /** A port that takes any service by the Host header or an absolute URL (HTTP_PROXY); 0: none. */
  readonly httpProxy: number;
  /** Where tunnels are taken, from those that speak HBONE; absent: nowhere. */
  readonly hbone?: number;
  /** A gateway's real ports, by the port number that `Gateway` servers name: `{ "8080": 18080 }`. Absent: as written. */
  readonly gatewayPorts: Readonly<Record<string, number>>;
}

/**
 * The application of a proxy into which its traffic is led by rules of the kernel.
 *
 * Source: node metadata `HEDDLE_CAPTURED`, and Istio's `INSTANCE_IPS`.
 */
export interface CapturedApplication {
  /** Where it listens: an address of its own, or empty: wherever the caller was going, as in Istio. */
  readonly applicationAddress: string;
  /** Its ports by name, beside those to which Services refer by number. */
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  /** Whether its pod has an IPv6 address as well. */
  readonly ipv6: boolean;
}

export type ProxyViewResult =
  | { readonly ok: true; readonly view: ProxyView }
  /** `isForeign`: the node is somebody else's than its proxy has proven to be. */
  | { readonly ok: false; readonly problems: readonly string[]; readonly isForeign: boolean };

/**
 * What a proxy's xDS `Node` says about it, as far as it agrees with the identity that its proxy has proven. What the node
 * leaves out is taken from there.
 *
 * Source: Istio's node id `sidecar~IP~NAME.NAMESPACE~DOMAIN` (`router~` for gateways) and node metadata.
 * Errors: every reason why the node cannot be served.
 */
export function proxyViewOf(node: envoy.config.core.v3.INode, identity?: SpiffeId): ProxyViewResult {
  const problems: string[] = [];
  const [type = '', address = '', name = '', domain] = (node.id ?? '').split('~');
  if (domain === undefined || (type !== 'sidecar' && type !== 'router')) {
    problems.push(`node id ${quote(node.id ?? '')}: expected sidecar~IP~NAME.NAMESPACE~DOMAIN, or router~…`);
  }
  const metadata = new MetadataReader(node.metadata, problems);
  const dot = name.indexOf('.');
  const interception = metadata.text('INTERCEPTION_MODE') || (type === 'router' ? 'NONE' : 'REDIRECT');
  if (interception !== 'NONE' && interception !== 'REDIRECT' && interception !== 'TPROXY') {
    problems.push(
      `node metadata INTERCEPTION_MODE ${quote(interception)}: expected NONE, REDIRECT or TPROXY`,
    );
    return { ok: false, problems, isForeign: false };
  }
  const proven = identity === undefined ? undefined : parseWorkloadId(identity);
  const said = {
    namespace: metadata.text('NAMESPACE') || (dot < 0 ? '' : name.slice(dot + 1)),
    serviceAccount: metadata.text('SERVICE_ACCOUNT'),
  };
  if (identity !== undefined) {
    const foreign = foreignClaims(said, identity, proven);
    if (foreign.length > 0) return { ok: false, problems: foreign, isForeign: true };
  }
  const role = type === 'router' ? 'gateway' : 'sidecar';
  const isEnvoy = node.userAgentName === 'envoy';
  const explicit = interception === 'NONE' ? readExplicitPorts(metadata, problems) : undefined;
  const mtls = metadata.has('HEDDLE_MTLS')
    ? metadata.flag('HEDDLE_MTLS')
    : metadata.text('HEDDLE_IDENTITY') !== '';
  const view: ProxyView = {
    role,
    namespace: proven?.namespace ?? (said.namespace || 'default'),
    labels: metadata.texts('LABELS'),
    serviceAccount: proven?.serviceAccount ?? (said.serviceAccount || 'default'),
    workloadName: metadata.text('WORKLOAD_NAME') || (dot < 0 ? name : name.slice(0, dot)),
    ...localityOf(node.locality),
    ...(metadata.text('GENERATOR') === 'grpc' ? { isProxyless: true } : {}),
    interception,
    explicit,
    ...(interception === 'NONE' || role === 'gateway' ? {} : { captured: readCaptured(metadata) }),
    accessLogPath: metadata.text('HEDDLE_ACCESS_LOG') || '/dev/stdout',
    mirrors: isEnvoy,
    istioFilters: node.userAgentName === 'heddle-proxy',
    mtls,
    ...(mtls && metadata.flag('ENABLE_HBONE')
      ? { tunnels: tunnelPlaceOf(metadata, { role, address, explicit }) }
      : {}),
    systemRootsPath:
      metadata.text('HEDDLE_SYSTEM_ROOTS') || (isEnvoy ? '/etc/ssl/certs/ca-certificates.crt' : ''),
    ...(identity === undefined ? {} : { identity: identity.uri }),
  };
  return problems.length > 0 ? { ok: false, problems, isForeign: false } : { ok: true, view };
}

function tunnelPlaceOf(
  metadata: MetadataReader,
  node: Pick<ProxyView, 'role' | 'explicit'> & { readonly address: string },
): TunnelPlace {
  if (node.role === 'gateway') return { port: 0, addresses: [] };
  const { explicit } = node;
  // Source: Istio's node metadata `INSTANCE_IPS`, and the address in the node's id.
  const said = [...metadata.text('INSTANCE_IPS').split(','), node.address, explicit?.bindAddress ?? ''];
  const addresses = [...new Set(said.filter(isOneAddress))].slice(0, MOST_ADDRESSES);
  // Without one it would connect to whatever address is asked for, and policies would be told of that one.
  const port = explicit === undefined ? HBONE_PORT : (explicit.hbone ?? 0);
  return { port: addresses.length === 0 ? 0 : port, addresses };
}

function isOneAddress(text: string): boolean {
  return isIP(text) !== 0 && text !== '0.0.0.0' && text !== '::';
}

function localityOf(locality: envoy.config.core.v3.INode['locality']): { readonly locality?: Locality } {
  const region = locality?.region ?? '';
  const zone = locality?.zone ?? '';
  const subZone = locality?.subZone ?? '';
  return region + zone + subZone === '' ? {} : { locality: { region, zone, subZone } };
}

/**
 * Where a proxy's admin server can be asked what it counts. It must be where the proxy itself is: nobody has heddled call a third.
 *
 * Source: node metadata `HEDDLE_ADMIN`, `HOST:PORT` with an address for host; `peer` is what gRPC calls the other side of the stream.
 */
export function adminAddressOf(
  node: envoy.config.core.v3.INode,
  peer: string,
): { readonly host: string; readonly port: number } | undefined {
  const said = new MetadataReader(node.metadata, []).text('HEDDLE_ADMIN');
  const [, host = '', digits = ''] = /^\[?([0-9a-f.:]+?)\]?:(\d{1,5})$/i.exec(said) ?? [];
  const port = Number(digits);
  if (isIP(host) === 0 || port < 1 || port > 65_535) return undefined;
  const from = /^(?:ipv[46]:)?\[?([0-9a-f.:]+?)\]?:\d+$/i.exec(peer)?.[1] ?? '';
  const isSame = host === from || (isLoopback(host) && isLoopback(from));
  return isSame ? { host, port } : undefined;
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

/** What the node says that is not the caller's to say. */
function foreignClaims(
  said: { readonly namespace: string; readonly serviceAccount: string },
  identity: SpiffeId,
  proven: { readonly namespace: string; readonly serviceAccount: string } | undefined,
): readonly string[] {
  if (proven === undefined) return [`${identity.uri} is not the identity of a service account`];
  const differs = (what: 'namespace' | 'serviceAccount'): boolean =>
    said[what] !== '' && said[what] !== proven[what];
  return [
    ...(differs('namespace')
      ? [`node namespace ${quote(said.namespace)}: this proxy has proven to be ${identity.uri}`]
      : []),
    ...(differs('serviceAccount')
      ? [
          `node metadata SERVICE_ACCOUNT ${quote(said.serviceAccount)}: this proxy has proven to be ${identity.uri}`,
        ]
      : []),
  ];
}

/** One text for one view: equal views give equal keys, whatever the order of their labels and ports. */
export function viewKey(view: ProxyView): string {
  return canonical(view);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

/** A node may be hostile: what it names is bounded. */
const MOST_ADDRESSES = 16;

function readCaptured(metadata: MetadataReader): CapturedApplication {
  const captured = metadata.reader('HEDDLE_CAPTURED');
  return {
    applicationAddress: captured?.text('applicationAddress') ?? '',
    ports:
      captured?.list('ports').map((item) => ({ name: item.text('name'), port: item.port('port') })) ?? [],
    ipv6: metadata.text('INSTANCE_IPS').includes(':'),
  };
}

function readExplicitPorts(metadata: MetadataReader, problems: string[]): ExplicitPorts | undefined {
  const explicit = metadata.reader('HEDDLE_EXPLICIT');
  if (explicit === undefined) return undefined;
  const bindAddress = explicit.text('bindAddress') || '127.0.0.1';
  const inbound = explicit.list('inbound').map((item) => {
    const application = item.port('application');
    return {
      name: item.text('name'),
      port: item.has('port') ? item.port('port') : application,
      listen: item.port('listen'),
      application,
    };
  });
  const outbound = explicit.ports('outbound');
  const gatewayPorts = explicit.ports('gatewayPorts');
  const taken = new Map<number, string>();
  const take = (port: number, what: string): void => {
    const holder = taken.get(port);
    if (holder !== undefined)
      problems.push(`HEDDLE_EXPLICIT: port ${port} is given to ${holder} and to ${what}`);
    taken.set(port, what);
  };
  for (const item of inbound) take(item.listen, `inbound ${item.name}`);
  for (const [name, port] of Object.entries(outbound)) take(port, `outbound ${name}`);
  for (const [name, port] of Object.entries(gatewayPorts)) take(port, `gateway port ${name}`);
  const httpProxy = explicit.has('httpProxy') ? explicit.port('httpProxy', 0) : 0;
  if (httpProxy !== 0) take(httpProxy, 'httpProxy');
  const hbone = explicit.has('hbone') ? explicit.port('hbone', 0) : 0;
  if (hbone !== 0) take(hbone, 'hbone');
  return { bindAddress, inbound, outbound, httpProxy, ...(hbone === 0 ? {} : { hbone }), gatewayPorts };
}
