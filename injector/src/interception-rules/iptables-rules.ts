import { type Cidr } from './cidr.js';
import {
  HBONE_PORT,
  INBOUND_SOURCE,
  PROXY_MARK,
  capturesDns,
  type InterceptionConfig,
} from './interception-config.js';
import { formatNumberRanges, type NumberRange } from './number-ranges.js';

export type AddressFamily = 'v4' | 'v6';

/** Every chain of ours, by table. Nothing else in the tables is touched but the jumps to them. */
export const IPTABLES_CHAINS = {
  nat: ['HEDDLE_INBOUND', 'HEDDLE_OUTPUT', 'HEDDLE_DNS', 'HEDDLE_TO_IN', 'HEDDLE_TO_OUT'],
  mangle: ['HEDDLE_TPROXY_IN', 'HEDDLE_TPROXY_OUT'],
} as const;

const LOOPBACK = { v4: '127.0.0.1/32', v6: '::1/128' } as const;
/** As many ports as one multiport match takes; a range counts twice. */
const MULTIPORT_SLOTS = 15;

/**
 * The rules as `iptables-restore --noflush` and `ip6tables-restore --noflush` take them: the declared chains are
 * flushed and filled in one commit, and nothing else changes. The jumps to them are added apart, by iptablesJumps.
 *
 * Shape: `v6` is empty where IPv6 is left alone.
 */
export function iptablesRules(config: InterceptionConfig): { readonly v4: string; readonly v6: string } {
  return Object.freeze({ v4: rulesOf(config, 'v4'), v6: config.ipv6 ? rulesOf(config, 'v6') : '' });
}

/** Flushes and deletes our chains, and succeeds also where there are none. The jumps must be gone before. */
export function iptablesCleanup(): string {
  return Object.entries(IPTABLES_CHAINS)
    .map(([table, chains]) => [
      `*${table}`,
      ...chains.map((chain) => `:${chain} - [0:0]`),
      ...chains.map((chain) => `-X ${chain}`),
      'COMMIT\n',
    ])
    .flat()
    .join('\n')
    .replaceAll('\n\n', '\n');
}

function rulesOf(config: InterceptionConfig, family: AddressFamily): string {
  const lines = [
    '*nat',
    ...IPTABLES_CHAINS.nat.map((chain) => `:${chain} - [0:0]`),
    `-A HEDDLE_TO_OUT -p tcp -j REDIRECT --to-ports ${config.outboundPort}`,
    `-A HEDDLE_TO_IN -p tcp -j REDIRECT --to-ports ${config.inboundPort}`,
    ...(config.mode === 'REDIRECT' ? inboundRules(config) : []),
    ...outputRules(config, family),
    ...(capturesDns(config) ? dnsRules(config, family) : []),
    'COMMIT',
  ];
  if (config.mode === 'TPROXY') {
    lines.push(
      '*mangle',
      ...IPTABLES_CHAINS.mangle.map((chain) => `:${chain} - [0:0]`),
      ...tproxyInRules(config, family),
      `-A HEDDLE_TPROXY_OUT -m mark --mark ${PROXY_MARK} -j CONNMARK --save-mark`,
      `-A HEDDLE_TPROXY_OUT -m mark --mark ${PROXY_MARK} -j RETURN`,
      `-A HEDDLE_TPROXY_OUT -m connmark --mark ${PROXY_MARK} -j CONNMARK --restore-mark`,
      'COMMIT',
    );
  }
  return `${lines.join('\n')}\n`;
}

function inboundRules(config: InterceptionConfig): readonly string[] {
  return [
    ...config.excludeInterfaces.map((name) => `-A HEDDLE_INBOUND -i ${name} -j RETURN`),
    ...portMatches(config.excludeInboundPorts).map((match) => `-A HEDDLE_INBOUND ${match} -j RETURN`),
    ...(config.includeInboundPorts === '*' ? ['-p tcp'] : portMatches(config.includeInboundPorts)).map(
      (match) => `-A HEDDLE_INBOUND ${match} -j HEDDLE_TO_IN`,
    ),
  ];
}

function outputRules(config: InterceptionConfig, family: AddressFamily): readonly string[] {
  const append = '-A HEDDLE_OUTPUT';
  const proxy = proxyMatches(config, family);
  // The sidecar calling its own pod by a service's name must come in by the front door, as others do.
  const notInbound = `-m multiport ! --dports ${config.dnsCapture ? '53,' : ''}${HBONE_PORT}`;
  const { includeOutboundIpRanges } = config;
  return [
    ...(config.mode === 'TPROXY' ? [`${append} -m mark --mark ${PROXY_MARK} -j RETURN`] : []),
    `${append} -s ${INBOUND_SOURCE[family]}/${family === 'v4' ? 32 : 128} -o lo -j RETURN`,
    ...config.excludeInterfaces.map((name) => `${append} -o ${name} -j RETURN`),
    ...proxy.map(
      (match) => `${append} ! -d ${LOOPBACK[family]} -o lo -p tcp ${notInbound} ${match} -j HEDDLE_TO_IN`,
    ),
    ...proxy.map((match) => `${append} ${match} -j RETURN`),
    ...ownerMatches(config.excludeOutboundUids, config.excludeOutboundGids).map(
      (match) => `${append} ${match} -j RETURN`,
    ),
    ...(capturesDns(config) ? [`${append} -p tcp --dport 53 -j REDIRECT --to-ports ${config.dnsPort}`] : []),
    `${append} -o lo -j RETURN`,
    `${append} -d ${LOOPBACK[family]} -j RETURN`,
    `${append} -p tcp --dport ${HBONE_PORT} -j RETURN`,
    ...portMatches(config.excludeOutboundPorts).map((match) => `${append} ${match} -j RETURN`),
    ...ofFamily(config.excludeOutboundIpRanges, family).map((range) => `${append} -d ${range} -j RETURN`),
    ...portMatches(config.includeOutboundPorts).map((match) => `${append} ${match} -j HEDDLE_TO_OUT`),
    ...(includeOutboundIpRanges === '*'
      ? [`${append} -j HEDDLE_TO_OUT`]
      : ofFamily(includeOutboundIpRanges, family).map((range) => `${append} -d ${range} -j HEDDLE_TO_OUT`)),
  ];
}

function dnsRules(config: InterceptionConfig, family: AddressFamily): readonly string[] {
  const exempt = [
    ...config.excludeInterfaces.map((name) => `-o ${name}`),
    ...proxyMatches(config, family),
    ...ownerMatches(config.excludeOutboundUids, config.excludeOutboundGids),
  ];
  return [
    ...exempt.map((match) => `-A HEDDLE_DNS ${match} -j RETURN`),
    `-A HEDDLE_DNS -p udp -j REDIRECT --to-ports ${config.dnsPort}`,
  ];
}

function tproxyInRules(config: InterceptionConfig, family: AddressFamily): readonly string[] {
  const append = '-A HEDDLE_TPROXY_IN';
  const known = `${append} -p tcp -m conntrack --ctstate RELATED,ESTABLISHED`;
  const included = config.includeInboundPorts === '*' ? ['-p tcp'] : portMatches(config.includeInboundPorts);
  return [
    `${append} -i lo -j RETURN`,
    ...config.excludeInterfaces.map((name) => `${append} -i ${name} -j RETURN`),
    ...portMatches(config.excludeInboundPorts).map((match) => `${append} ${match} -j RETURN`),
    `${known} -m socket --transparent -j MARK --set-mark ${PROXY_MARK}`,
    `${known} -j RETURN`,
    ...included.map(
      (match) =>
        `${append} ! -d ${LOOPBACK[family]} ${match} -j TPROXY --on-port ${config.inboundPort} --tproxy-mark ${PROXY_MARK}`,
    ),
  ];
}

function proxyMatches({ proxy }: InterceptionConfig, family: AddressFamily): readonly string[] {
  if (proxy.kind === 'owner') return ownerMatches(proxy.uids, proxy.gids);
  if (family === 'v4') return [`-s ${proxy.v4}/32`];
  return proxy.v6 === undefined ? [] : [`-s ${proxy.v6}/128`];
}

function ownerMatches(uids: readonly NumberRange[], gids: readonly NumberRange[]): readonly string[] {
  return [
    ...uids.map((range) => `-m owner --uid-owner ${formatNumberRanges([range])}`),
    ...gids.map((range) => `-m owner --gid-owner ${formatNumberRanges([range])}`),
  ];
}

function portMatches(ranges: readonly NumberRange[]): readonly string[] {
  const groups: NumberRange[][] = [];
  let slots = MULTIPORT_SLOTS;
  for (const range of ranges) {
    const needed = range.first === range.last ? 1 : 2;
    if (slots + needed > MULTIPORT_SLOTS) {
      groups.push([]);
      slots = 0;
    }
    groups.at(-1)?.push(range);
    slots += needed;
  }
  return groups.map((group) => `-p tcp -m multiport --dports ${formatNumberRanges(group, ':')}`);
}

function ofFamily(ranges: readonly Cidr[], family: AddressFamily): readonly string[] {
  return ranges.filter((range) => range.family === family).map((range) => range.text);
}
