import {
  HBONE_PORT,
  INBOUND_SOURCE,
  PROXY_MARK,
  capturesDns,
  type InterceptionConfig,
} from './interception-config.js';
import { type NumberRange } from './number-ranges.js';

/** One table of ours for IPv4 and IPv6. */
export const NFTABLES_TABLE = 'inet heddle';

/**
 * The rules as `nft -f` takes them: the table of ours is replaced in one step, whether it was there or not.
 */
export function nftablesRules(config: InterceptionConfig): string {
  const chains = [
    ...(config.mode === 'REDIRECT' ? [inboundChain(config)] : []),
    ...(capturesDns(config) ? [dnsChain(config)] : []),
    outputChain(config),
    ...(config.mode === 'TPROXY' ? tproxyChains(config) : []),
  ];
  const table = [`table ${NFTABLES_TABLE} {`, ...chains.map(formatChain), '}'].join('\n');
  return `${nftablesCleanup()}${table}\n`;
}

/** Deletes our table, and succeeds also where there is none. */
export function nftablesCleanup(): string {
  return `table ${NFTABLES_TABLE}\ndelete table ${NFTABLES_TABLE}\n`;
}

interface Chain {
  readonly name: string;
  /** Absent: reached by a jump alone. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

function formatChain({ name, hook, rules }: Chain): string {
  const lines = hook === undefined ? rules : [`type ${hook}; policy accept;`, ...rules];
  return [`  chain ${name} {`, ...lines.map((line) => `    ${line}`), '  }'].join('\n');
}

function inboundChain(config: InterceptionConfig): Chain {
  return {
    name: 'inbound',
    hook: 'nat hook prerouting priority dstnat',
    rules: [
      ...familyRules(config),
      'meta l4proto != tcp return',
      ...config.excludeInterfaces.map((name) => `iifname "${name}" return`),
      ...portRules(config.excludeInboundPorts, 'return'),
      ...includedInbound(config, '').map((match) => `${match} redirect to :${config.inboundPort}`),
    ],
  };
}

function dnsChain(config: InterceptionConfig): Chain {
  return {
    name: 'dns',
    rules: [
      ...proxyMatches(config).map((match) => `${match} return`),
      ...ownerMatches(config.excludeOutboundUids, config.excludeOutboundGids).map(
        (match) => `${match} return`,
      ),
      `meta l4proto { tcp, udp } redirect to :${config.dnsPort}`,
    ],
  };
}

function outputChain(config: InterceptionConfig): Chain {
  const { includeOutboundIpRanges } = config;
  const toOutbound = `redirect to :${config.outboundPort}`;
  // The sidecar calling its own pod by a service's name must come in by the front door, as others do.
  const notInbound = config.dnsCapture ? `{ 53, ${HBONE_PORT} }` : String(HBONE_PORT);
  return {
    name: 'output',
    // By number: nft 1.0.6 refuses the name dstnat on this hook.
    hook: 'nat hook output priority -100',
    rules: [
      ...familyRules(config),
      ...(config.mode === 'TPROXY' ? [`meta mark ${PROXY_MARK} return`] : []),
      ...config.excludeInterfaces.map((name) => `oifname "${name}" return`),
      ...(capturesDns(config) ? ['udp dport 53 goto dns'] : []),
      'meta l4proto != tcp return',
      `oifname "lo" ip saddr ${INBOUND_SOURCE.v4} return`,
      `oifname "lo" ip6 saddr ${INBOUND_SOURCE.v6} return`,
      ...proxyMatches(config).flatMap((match) =>
        (match.startsWith('ip6 ') ? [V6] : match.startsWith('ip ') ? [V4] : [V4, V6]).map(
          (notLoopback) =>
            `oifname "lo" ${match} tcp dport != ${notInbound} ${notLoopback} redirect to :${config.inboundPort}`,
        ),
      ),
      ...proxyMatches(config).map((match) => `${match} return`),
      ...ownerMatches(config.excludeOutboundUids, config.excludeOutboundGids).map(
        (match) => `${match} return`,
      ),
      ...(capturesDns(config) ? [`tcp dport 53 redirect to :${config.dnsPort}`] : []),
      'oifname "lo" return',
      'ip daddr 127.0.0.1 return',
      'ip6 daddr ::1 return',
      `tcp dport ${HBONE_PORT} return`,
      ...portRules(config.excludeOutboundPorts, 'return'),
      ...config.excludeOutboundIpRanges.map((range) => `${addressMatch(range)} return`),
      ...portRules(config.includeOutboundPorts, toOutbound),
      ...(includeOutboundIpRanges === '*'
        ? [`meta l4proto tcp ${toOutbound}`]
        : includeOutboundIpRanges.map((range) => `${addressMatch(range)} meta l4proto tcp ${toOutbound}`)),
    ],
  };
}

const V4 = 'ip daddr != 127.0.0.1';
const V6 = 'ip6 daddr != ::1';

function tproxyChains(config: InterceptionConfig): readonly Chain[] {
  return [
    {
      name: 'tproxy_in',
      hook: 'filter hook prerouting priority mangle',
      rules: [
        ...familyRules(config),
        'iifname "lo" return',
        'meta l4proto != tcp return',
        ...config.excludeInterfaces.map((name) => `iifname "${name}" return`),
        ...portRules(config.excludeInboundPorts, 'return'),
        `ct state established,related socket transparent 1 meta mark set ${PROXY_MARK} return`,
        'ct state established,related return',
        ...includedInbound(config, `${V4} `).map(
          (match) => `${match} tproxy ip to :${config.inboundPort} meta mark set ${PROXY_MARK} accept`,
        ),
        ...(config.ipv6 ? includedInbound(config, `${V6} `) : []).map(
          (match) => `${match} tproxy ip6 to :${config.inboundPort} meta mark set ${PROXY_MARK} accept`,
        ),
      ],
    },
    {
      name: 'tproxy_out',
      hook: 'route hook output priority mangle',
      rules: [
        ...familyRules(config),
        'meta l4proto != tcp return',
        `meta mark ${PROXY_MARK} ct mark set meta mark return`,
        `ct mark ${PROXY_MARK} meta mark set ct mark`,
      ],
    },
  ];
}

function familyRules(config: InterceptionConfig): readonly string[] {
  return config.ipv6 ? [] : ['meta nfproto ipv6 return'];
}

function includedInbound(config: InterceptionConfig, before: string): readonly string[] {
  if (config.includeInboundPorts === '*') return [`${before}meta l4proto tcp`];
  if (config.includeInboundPorts.length === 0) return [];
  return [`${before}tcp dport ${portSet(config.includeInboundPorts)}`];
}

function proxyMatches({ proxy }: InterceptionConfig): readonly string[] {
  if (proxy.kind === 'owner') return ownerMatches(proxy.uids, proxy.gids);
  return [`ip saddr ${proxy.v4}`, ...(proxy.v6 === undefined ? [] : [`ip6 saddr ${proxy.v6}`])];
}

function ownerMatches(uids: readonly NumberRange[], gids: readonly NumberRange[]): readonly string[] {
  return [
    ...uids.map((range) => `meta skuid ${rangeText(range)}`),
    ...gids.map((range) => `meta skgid ${rangeText(range)}`),
  ];
}

function portRules(ranges: readonly NumberRange[], verdict: string): readonly string[] {
  return ranges.length === 0 ? [] : [`tcp dport ${portSet(ranges)} ${verdict}`];
}

function portSet(ranges: readonly NumberRange[]): string {
  return `{ ${ranges.map(rangeText).join(', ')} }`;
}

function rangeText({ first, last }: NumberRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function addressMatch({ family, text }: { readonly family: 'v4' | 'v6'; readonly text: string }): string {
  return `${family === 'v4' ? 'ip' : 'ip6'} daddr ${text}`;
}
