import { isIPv4, isIPv6 } from 'node:net';
import { InterceptionOptionsError } from '../errors.js';
import { parseCidr, type Cidr } from './cidr.js';
import { listEntries, parseNumberRanges, rangesHold, type NumberRange } from './number-ranges.js';

/** How inbound connections reach the sidecar; outbound ones are redirected in both. */
export const INTERCEPTION_MODES = ['REDIRECT', 'TPROXY'] as const;
export type InterceptionMode = (typeof INTERCEPTION_MODES)[number];

/** What is intercepted, as people write it: lists are comma-separated, `*` is everything. */
export interface InterceptionOptions {
  /** REDIRECT (default), or TPROXY, which keeps the client's address. */
  readonly mode?: string;
  /** Default 15001. */
  readonly outboundPort?: number;
  /** Default 15006. */
  readonly inboundPort?: number;
  /** Default 15053. */
  readonly dnsPort?: number;
  /** Lead every DNS question (port 53) to the sidecar. Default false. */
  readonly dnsCapture?: boolean;
  /** Default true. Where false, IPv6 is left alone, which means it bypasses the sidecar. */
  readonly ipv6?: boolean;
  /** The sidecar's own user ids, whose connections pass. Default 1337. */
  readonly proxyUids?: string;
  readonly proxyGids?: string;
  /** Tells the sidecar by the address that it binds its connections to, where user ids cannot (user namespaces). */
  readonly proxySource?: { readonly v4: string; readonly v6?: string };
  /** Default `*`. */
  readonly includeInboundPorts?: string;
  /** Besides the sidecar's own ports, 15020, 15021 and 15090. */
  readonly excludeInboundPorts?: string;
  /** Intercepted whatever the address is. */
  readonly includeOutboundPorts?: string;
  readonly excludeOutboundPorts?: string;
  /** Default `*`; an empty text intercepts no outbound connection by its address. */
  readonly includeOutboundIpRanges?: string;
  readonly excludeOutboundIpRanges?: string;
  readonly excludeInterfaces?: string;
  readonly excludeOutboundUids?: string;
  readonly excludeOutboundGids?: string;
}

/** How rules tell the sidecar's own connections from the application's. */
export type ProxyMatch =
  | { readonly kind: 'owner'; readonly uids: readonly NumberRange[]; readonly gids: readonly NumberRange[] }
  | { readonly kind: 'source'; readonly v4: string; readonly v6: string | undefined };

/** What is intercepted, checked: every rule text is made from this alone. */
export interface InterceptionConfig {
  readonly mode: InterceptionMode;
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly dnsPort: number;
  readonly dnsCapture: boolean;
  readonly ipv6: boolean;
  readonly proxy: ProxyMatch;
  readonly includeInboundPorts: '*' | readonly NumberRange[];
  readonly excludeInboundPorts: readonly NumberRange[];
  readonly includeOutboundPorts: readonly NumberRange[];
  readonly excludeOutboundPorts: readonly NumberRange[];
  readonly includeOutboundIpRanges: '*' | readonly Cidr[];
  readonly excludeOutboundIpRanges: readonly Cidr[];
  readonly excludeInterfaces: readonly string[];
  readonly excludeOutboundUids: readonly NumberRange[];
  readonly excludeOutboundGids: readonly NumberRange[];
}

/** The user and group of the sidecar, Istio's number. */
export const PROXY_ID = 1337;
/** Packets of connections that the sidecar makes with its client's address carry this mark (TPROXY). */
export const PROXY_MARK = 1337;
/** The routing table that delivers marked packets locally (TPROXY). */
export const ROUTE_TABLE = 133;
/** Tunnels between sidecars end at the sidecar itself. */
export const HBONE_PORT = 15008;
/** The sidecar connects to its application from here, so that the answer is not intercepted again. */
export const INBOUND_SOURCE = { v4: '127.0.0.6', v6: '::6' } as const;

/** Merged metrics, readiness, Envoy's metrics: whoever asks means the sidecar. */
const SIDECAR_PORTS = '15020,15021,15090';
const PORTS: NumberRange = { first: 1, last: 65_535 };
/** 2^32 - 1 is "no user". */
const IDS: NumberRange = { first: 0, last: 4_294_967_294 };
/** What the kernel takes, without what has a meaning in rule texts; `+` at the end is iptables' wildcard. */
const INTERFACE = /^[A-Za-z0-9_.-]{1,15}$/;

/**
 * Checks what is to be intercepted.
 *
 * Errors: InterceptionOptionsError with every problem, each beginning with the option's name.
 */
export function parseInterceptionOptions(options: InterceptionOptions = {}): InterceptionConfig {
  const problems: string[] = [];
  const port = (name: string, given: number | undefined, byDefault: number): number => {
    const value = given ?? byDefault;
    if (!Number.isInteger(value) || value < 1 || value > 65_535) {
      problems.push(`${name}: ${String(value)} is not a port from 1 to 65535`);
    }
    return value;
  };
  const ports = (name: string, text: string): readonly NumberRange[] =>
    parseNumberRanges(name, text, PORTS, problems);
  const ids = (name: string, text: string): readonly NumberRange[] =>
    parseNumberRanges(name, text, IDS, problems);

  const mode = INTERCEPTION_MODES.find((known) => known === (options.mode ?? 'REDIRECT'));
  if (mode === undefined) {
    problems.push(`mode: ${JSON.stringify(options.mode)} is not ${INTERCEPTION_MODES.join(' or ')}`);
  }
  const outboundPort = port('outboundPort', options.outboundPort, 15_001);
  const inboundPort = port('inboundPort', options.inboundPort, 15_006);
  const dnsPort = port('dnsPort', options.dnsPort, 15_053);
  if (new Set([outboundPort, inboundPort, dnsPort, HBONE_PORT]).size < 4) {
    problems.push(`outboundPort, inboundPort, dnsPort and ${HBONE_PORT} must differ`);
  }
  const ipv6 = options.ipv6 ?? true;
  const excludeInboundPorts = options.excludeInboundPorts ?? '';
  const config: InterceptionConfig = {
    mode: mode ?? 'REDIRECT',
    outboundPort,
    inboundPort,
    dnsPort,
    dnsCapture: options.dnsCapture ?? false,
    ipv6,
    proxy: proxyMatch(options, ipv6, ids, problems),
    includeInboundPorts:
      (options.includeInboundPorts ?? '*').trim() === '*'
        ? '*'
        : ports('includeInboundPorts', options.includeInboundPorts ?? ''),
    excludeInboundPorts: ports(
      'excludeInboundPorts',
      `${SIDECAR_PORTS},${HBONE_PORT},${excludeInboundPorts}`,
    ),
    includeOutboundPorts: ports('includeOutboundPorts', options.includeOutboundPorts ?? ''),
    excludeOutboundPorts: ports('excludeOutboundPorts', options.excludeOutboundPorts ?? ''),
    includeOutboundIpRanges:
      (options.includeOutboundIpRanges ?? '*').trim() === '*'
        ? '*'
        : cidrs('includeOutboundIpRanges', options.includeOutboundIpRanges ?? '', problems),
    excludeOutboundIpRanges: cidrs(
      'excludeOutboundIpRanges',
      options.excludeOutboundIpRanges ?? '',
      problems,
    ),
    excludeInterfaces: interfaces(options.excludeInterfaces ?? '', problems),
    excludeOutboundUids: ids('excludeOutboundUids', options.excludeOutboundUids ?? ''),
    excludeOutboundGids: ids('excludeOutboundGids', options.excludeOutboundGids ?? ''),
  };
  if (problems.length > 0) throw new InterceptionOptionsError(problems);
  return Object.freeze(config);
}

/** Whether DNS questions are led to the sidecar: asked for, and port 53 is not excluded. */
export function capturesDns(config: InterceptionConfig): boolean {
  return config.dnsCapture && !rangesHold(config.excludeOutboundPorts, 53);
}

function proxyMatch(
  options: InterceptionOptions,
  ipv6: boolean,
  ids: (name: string, text: string) => readonly NumberRange[],
  problems: string[],
): ProxyMatch {
  const source = options.proxySource;
  if (source === undefined) {
    const uids = ids('proxyUids', options.proxyUids ?? String(PROXY_ID));
    const gids = ids('proxyGids', options.proxyGids ?? String(PROXY_ID));
    if (uids.length + gids.length === 0 && problems.length === 0) {
      // Without an exemption the sidecar's own connections would come back to it for ever.
      problems.push('proxyUids, proxyGids: one of them must name the sidecar');
    }
    return Object.freeze({ kind: 'owner', uids, gids });
  }
  if (options.proxyUids !== undefined || options.proxyGids !== undefined) {
    problems.push('proxySource: give either an address or user and group ids, not both');
  }
  if (!isIPv4(source.v4)) problems.push(`proxySource: ${JSON.stringify(source.v4)} is not an IPv4 address`);
  const v6 = source.v6 === undefined ? undefined : parseCidr(source.v6);
  if (source.v6 === undefined ? ipv6 : !isIPv6(source.v6) || v6 === undefined) {
    problems.push('proxySource: expected an IPv6 address as well, or ipv6 turned off');
  }
  if (source.v4.startsWith('127.') || v6?.text === '::1/128') {
    // The exemption would hold for the application's calls to itself, and nothing is intercepted there anyway.
    problems.push('proxySource: must not be a loopback address');
  }
  return Object.freeze({ kind: 'source', v4: source.v4, v6: v6?.text.replace(/\/128$/, '') });
}

function cidrs(name: string, text: string, problems: string[]): readonly Cidr[] {
  const byText = new Map<string, Cidr>();
  for (const entry of listEntries(name, text, problems)) {
    const cidr = parseCidr(entry);
    if (cidr === undefined) {
      problems.push(`${name}: ${JSON.stringify(entry)} is not an address range such as 10.0.0.0/8`);
    } else {
      byText.set(cidr.text, cidr);
    }
  }
  return Object.freeze([...byText.values()]);
}

function interfaces(text: string, problems: string[]): readonly string[] {
  const names = new Set<string>();
  for (const entry of listEntries('excludeInterfaces', text, problems)) {
    if (entry === 'lo') problems.push('excludeInterfaces: "lo" has rules of its own');
    else if (INTERFACE.test(entry)) names.add(entry);
    else problems.push(`excludeInterfaces: ${JSON.stringify(entry)} is not the name of an interface`);
  }
  return Object.freeze([...names]);
}
