/**
 * The names of xDS resources: the only place where they are built and parsed. The forms are Istio's, so that names
 * in metrics and `proxy-config` read the same under either control plane.
 *
 * Every pair holds: `parse(build(parts))` gives the parts back, and `build(parse(name))` the name.
 * Errors: a builder throws a RangeError for parts that its form cannot carry (check what users wrote with
 * `isNamePart`); a parser gives undefined for any text that no builder makes.
 */

export type TrafficSide = 'outbound' | 'inbound' | 'inbound-vip';

/** What a cluster's name says. `subset` and `host` are empty where there is none. */
export interface ClusterNameParts {
  readonly direction: TrafficSide;
  readonly port: number;
  readonly subset: string;
  readonly host: string;
}

/** Where a route configuration is used: one port of all services, one service, one inbound port, or a gateway's server. */
export type RouteNameParts =
  | { readonly kind: 'outbound-port'; readonly port: number }
  | { readonly kind: 'outbound-host'; readonly host: string; readonly port: number }
  | { readonly kind: 'inbound'; readonly port: number }
  | { readonly kind: 'gateway-http'; readonly port: number }
  | {
      readonly kind: 'gateway-https';
      readonly port: number;
      readonly portName: string;
      readonly gateway: string;
      readonly namespace: string;
    };

/** An address and a port, as a listener's name has them. */
export interface ListenerNameParts {
  readonly address: string;
  readonly port: number;
}

/** A virtual host served on its own: the route configuration it belongs to and the domain (a host header's value). */
export interface VirtualHostResourceParts {
  readonly routeConfiguration: string;
  readonly domain: string;
}

const sides: readonly string[] = ['outbound', 'inbound', 'inbound-vip'] satisfies TrafficSide[];
const outboundListener = 'virtualOutbound';
const inboundListener = 'virtualInbound';

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65535;
}

/** Reads a port in its only form: decimal, no sign, no leading zero. */
function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return isPort(port) ? port : undefined;
}

function checkPort(port: number): number {
  if (!isPort(port)) throw new RangeError(`not a port: ${port}`);
  return port;
}

function checkPart(what: string, text: string, separator: string): string {
  if (text.includes(separator)) throw new RangeError(`a ${what} cannot hold ${separator}: ${text}`);
  return text;
}

function checkFilled(what: string, text: string): string {
  if (text === '') throw new RangeError(`a ${what} cannot be empty`);
  return text;
}

/** Whether a host, subset, port name, … that a user wrote can stand in every one of these names. */
function isNamePart(text: string): boolean {
  return !/[|/\s]/.test(text);
}

function clusterName({ direction, port, subset, host }: ClusterNameParts): string {
  return `${direction}|${checkPort(port)}|${checkPart('subset', subset, '|')}|${checkPart('host', host, '|')}`;
}

function parseClusterName(name: string): ClusterNameParts | undefined {
  const [direction, portText, subset, host, ...rest] = name.split('|');
  const port = parsePort(portText);
  if (direction === undefined || !sides.includes(direction)) return undefined;
  if (port === undefined || subset === undefined || host === undefined || rest.length > 0) return undefined;
  return { direction: direction as TrafficSide, port, subset, host };
}

/** The server name by which a gateway passes TLS through to a cluster: the cluster's name with `|` as `_.`. */
function clusterServerName(parts: ClusterNameParts): string {
  return `${parts.direction}_.${checkPort(parts.port)}_.${checkPart('subset', parts.subset, '_.')}_.${checkPart('host', parts.host, '_.')}`;
}

function parseClusterServerName(serverName: string): ClusterNameParts | undefined {
  return serverName.includes('|') ? undefined : parseClusterName(serverName.replaceAll('_.', '|'));
}

function routeConfigurationName(parts: RouteNameParts): string {
  const port = checkPort(parts.port);
  switch (parts.kind) {
    case 'outbound-port':
      return `${port}`;
    case 'outbound-host': {
      const name = `${checkFilled('host', parts.host)}:${port}`;
      if (parts.host.includes('|')) throw new RangeError(`a host cannot hold |: ${parts.host}`);
      return name;
    }
    case 'inbound':
      return clusterName({ direction: 'inbound', port, subset: '', host: '' });
    case 'gateway-http':
      return `http.${port}`;
    case 'gateway-https': {
      const { portName, gateway, namespace } = parts;
      for (const text of [portName, gateway, namespace]) checkFilled('part', text);
      for (const text of [portName, namespace]) checkPart('port name or namespace', text, '.');
      for (const text of [portName, gateway, namespace]) checkPart('part', checkPart('part', text, ':'), '|');
      return `https.${port}.${portName}.${gateway}.${namespace}`;
    }
  }
}

function parseRouteConfigurationName(name: string): RouteNameParts | undefined {
  const inbound = parseClusterName(name);
  if (inbound !== undefined) {
    const { direction, port, subset, host } = inbound;
    return direction === 'inbound' && subset === '' && host === '' ? { kind: 'inbound', port } : undefined;
  }
  if (name.includes('|')) return undefined;
  const plainPort = parsePort(name);
  if (plainPort !== undefined) return { kind: 'outbound-port', port: plainPort };
  const colon = name.lastIndexOf(':');
  if (colon >= 0) {
    const port = parsePort(name.slice(colon + 1));
    return port === undefined || colon === 0
      ? undefined
      : { kind: 'outbound-host', host: name.slice(0, colon), port };
  }
  const parts = name.split('.');
  const port = parsePort(parts[1]);
  if (port === undefined) return undefined;
  if (parts[0] === 'http') return parts.length === 2 ? { kind: 'gateway-http', port } : undefined;
  const portName = parts[2];
  const namespace = parts.at(-1);
  const gateway = parts.slice(3, -1).join('.');
  if (parts[0] !== 'https' || parts.length < 5 || !portName || !namespace || gateway === '') return undefined;
  return { kind: 'gateway-https', port, portName, gateway, namespace };
}

function listenerName({ address, port }: ListenerNameParts): string {
  return `${checkFilled('address', address)}_${checkPort(port)}`;
}

function parseListenerName(name: string): ListenerNameParts | undefined {
  const end = name.lastIndexOf('_');
  const port = parsePort(name.slice(end + 1));
  return end <= 0 || port === undefined ? undefined : { address: name.slice(0, end), port };
}

/** A virtual host's name inside a route configuration: unique there, and what the metrics show. */
function virtualHostName(host: string, port: number): string {
  return `${checkFilled('host', host)}:${checkPort(port)}`;
}

function parseVirtualHostName(name: string): { readonly host: string; readonly port: number } | undefined {
  const colon = name.lastIndexOf(':');
  const port = parsePort(name.slice(colon + 1));
  return colon <= 0 || port === undefined ? undefined : { host: name.slice(0, colon), port };
}

/** A virtual host's name as a VHDS resource. Source: Envoy's VHDS, route configuration name, `/`, host header. */
function virtualHostResourceName({ routeConfiguration, domain }: VirtualHostResourceParts): string {
  return `${checkFilled('route configuration name', routeConfiguration)}/${checkPart('domain', checkFilled('domain', domain), '/')}`;
}

function parseVirtualHostResourceName(name: string): VirtualHostResourceParts | undefined {
  const slash = name.lastIndexOf('/');
  if (slash <= 0 || slash === name.length - 1) return undefined;
  return { routeConfiguration: name.slice(0, slash), domain: name.slice(slash + 1) };
}

export const resourceNames = {
  /** The listener that takes all intercepted outbound traffic. */
  outboundListener,
  /** The listener that takes all intercepted inbound traffic. */
  inboundListener,
  /** The secret that holds a workload's own certificate and key. */
  workloadCertificate: 'default',
  /** The secret that holds the trust bundle. */
  trustBundle: 'ROOTCA',
  isNamePart,
  clusterName,
  parseClusterName,
  clusterServerName,
  parseClusterServerName,
  routeConfigurationName,
  parseRouteConfigurationName,
  listenerName,
  parseListenerName,
  virtualHostName,
  parseVirtualHostName,
  virtualHostResourceName,
  parseVirtualHostResourceName,
} as const;
