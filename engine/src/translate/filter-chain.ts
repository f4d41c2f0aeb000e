import type { envoy } from '@heddle/xds-protos';
import type { FilterChainConfig, FilterChainMatchConfig } from '../config/listener-config.js';
import { translateCidr } from './address.js';
import type { Findings } from './findings.js';
import { translateNetworkFilters } from './network-filters.js';
import { durationMs, enumName } from './proto-values.js';
import { translateDownstreamSocket } from './transport-socket.js';

/** Source: envoy.config.listener.v3.FilterChain. */
export function translateFilterChain(
  chain: envoy.config.listener.v3.FilterChain,
  path: string,
  findings: Findings,
): FilterChainConfig {
  findings.unsupported(`${path}.use_proxy_proto`, chain.useProxyProto?.value === true, 'problem');
  findings.unsupported(`${path}.on_demand_configuration`, chain.onDemandConfiguration !== null, 'warning');
  return {
    name: chain.name,
    match:
      chain.filterChainMatch === null
        ? undefined
        : translateFilterChainMatch(chain.filterChainMatch, `${path}.filter_chain_match`, findings),
    filters: translateNetworkFilters(chain.filters, `${path}.filters`, findings),
    transportSocketConnectTimeoutMs: durationMs(
      chain.transportSocketConnectTimeout,
      0,
      `${path}.transport_socket_connect_timeout`,
      findings,
    ),
    transportSocket: translateDownstreamSocket(chain.transportSocket, `${path}.transport_socket`, findings),
  };
}

/** Source: envoy.config.listener.v3.FilterChainMatch. */
function translateFilterChainMatch(
  match: envoy.config.listener.v3.FilterChainMatch,
  path: string,
  findings: Findings,
): FilterChainMatchConfig {
  findings.unsupported(`${path}.address_suffix`, match.addressSuffix !== '', 'problem');
  findings.unsupported(`${path}.suffix_len`, match.suffixLen !== null, 'problem');
  const port = match.destinationPort?.value;
  if (port !== undefined) checkPort(port, `${path}.destination_port`, findings);
  match.sourcePorts.forEach((one, i) => checkPort(one, `${path}.source_ports[${i}]`, findings));
  match.serverNames.forEach((name, i) => {
    if (name === '' || name.slice(1).includes('*') || (name.startsWith('*') && !name.startsWith('*.'))) {
      findings.problem(
        `${path}.server_names[${i}]`,
        `${JSON.stringify(name)}: only a name, or "*." and a name, can be matched`,
      );
    }
  });
  const ranges = (
    field: 'prefixRanges' | 'directSourcePrefixRanges' | 'sourcePrefixRanges',
    name: string,
  ): FilterChainMatchConfig['prefixRanges'] =>
    match[field].map((range, i) => translateCidr(range, `${path}.${name}[${i}]`, findings));
  return {
    destinationPort: port,
    prefixRanges: ranges('prefixRanges', 'prefix_ranges'),
    serverNames: match.serverNames.map((name) => name.toLowerCase()),
    transportProtocol: match.transportProtocol,
    applicationProtocols: [...match.applicationProtocols],
    directSourcePrefixRanges: ranges('directSourcePrefixRanges', 'direct_source_prefix_ranges'),
    sourceType: enumName(
      ['any', 'same-ip-or-loopback', 'external'] as const,
      match.sourceType,
      `${path}.source_type`,
      findings,
    ),
    sourcePrefixRanges: ranges('sourcePrefixRanges', 'source_prefix_ranges'),
    sourcePorts: [...match.sourcePorts],
  };
}

function checkPort(port: number, path: string, findings: Findings): void {
  if (port < 1 || port > 65_535) findings.problem(path, `must be in 1..65535 (is ${port})`);
}

/** Two chains with the same match could never both be reached: Envoy refuses them, and so do we. */
export function reportSameMatches(
  chains: readonly FilterChainConfig[],
  path: string,
  findings: Findings,
): void {
  const seen = new Map<string, number>();
  chains.forEach((chain, i) => {
    const key = chain.match === undefined ? EMPTY_KEY : JSON.stringify(matchKey(chain.match));
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      findings.problem(`${path}[${i}].filter_chain_match`, `matches the same as ${path}[${earlier}]`);
    } else seen.set(key, i);
  });
}

const matchKey = (match: FilterChainMatchConfig): unknown[] => [
  match.destinationPort ?? null,
  ...[match.prefixRanges, match.directSourcePrefixRanges, match.sourcePrefixRanges].map((ranges) =>
    ranges.map((range) => `${range.address}/${range.prefixLength}`).sort(),
  ),
  [...match.serverNames].sort(),
  match.transportProtocol,
  [...match.applicationProtocols].sort(),
  match.sourceType,
  [...match.sourcePorts].sort((a, b) => a - b),
];

const EMPTY_KEY = JSON.stringify([null, [], [], [], [], '', [], 'any', []]);
