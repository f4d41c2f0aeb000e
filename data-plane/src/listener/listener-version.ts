import { BrokenInvariantError } from '@heddle/common';
import {
  FilterChainMatcher,
  type FilterChainConfig,
  type ListenerConfig,
  type NetworkFilterConfig,
  type ProxyProtocolConfig,
} from '@heddle/engine';
import { createAccessLogs, type AccessLog } from '../access-log/access-log.js';
import type { ConnectionManagerOptions } from '../http/connection-manager-runtime.js';
import type { Tags } from '../stats/stats-store.js';
import type { DownstreamTransport, SpokenProtocols, TlsTransports } from '../tls/transport.js';
import { ActiveFilterChain } from './active-filter-chain.js';
import {
  createConnectionFilters,
  createNetworkFilter,
  whyNotNetworkFilter,
} from './create-network-filter.js';
import { ProxyProtocolStats } from './await-proxy-header.js';
import { sameFilterChain } from './same-config.js';

/** What keeps a listener's config from running, in every place where something does. */
export function listenerProblems(
  config: ListenerConfig,
  hasConfigSource: boolean,
  tls: TlsTransports | undefined,
): string[] {
  const problems: string[] = [];
  const check = (chain: FilterChainConfig, path: string): void => {
    const terminal = chain.filters.at(-1);
    if (terminal === undefined) {
      problems.push(`${path} has no network filter`);
      return;
    }
    if (chain.transportSocket.kind === 'tls') {
      const found = tls?.problems(chain.transportSocket) ?? ['TLS is not there'];
      problems.push(...found.map((problem) => `${path}.transport_socket: ${problem}`));
    }
    const why = whyNotNetworkFilter(terminal, hasConfigSource);
    if (why !== undefined) problems.push(`${path}: ${why}`);
  };
  const matcher = new FilterChainMatcher<number>(undefined);
  config.filterChains.forEach((chain, index) => {
    check(chain, `filter_chains[${index}]`);
    if (!matcher.add(chain.match, index)) {
      problems.push(`filter_chains[${index}] matches the same connections as an earlier one`);
    }
  });
  if (config.defaultFilterChain !== undefined) check(config.defaultFilterChain, 'default_filter_chain');
  return problems;
}

/** What a version makes its filter chains with. */
export interface FilterChainOptions {
  readonly filter: Omit<ConnectionManagerOptions, 'bufferLimitBytes' | 'trafficDirection'>;
  readonly tls: TlsTransports | undefined;
  /** Of the listener. */
  readonly statTags: Tags;
}

/** One version of a listener's configuration made ready: its filter chains and the matcher over them. */
export class ListenerVersion {
  readonly config: ListenerConfig;
  readonly chains: readonly ActiveFilterChain[];
  readonly matcher: FilterChainMatcher<ActiveFilterChain>;
  readonly looksForTls: boolean;
  readonly looksForHttp: boolean;
  /** Destination ports whose connections go the same way whatever their first bytes are: nobody waits for these. */
  readonly decidedPorts: ReadonlySet<number>;
  readonly findsOriginalDestination: boolean;
  /** Set: connections upstream come from the client's address, with this mark. */
  readonly clientAddressMark: number | undefined;
  /** undefined: connections begin with what the client says. */
  readonly proxyProtocol:
    { readonly config: ProxyProtocolConfig; readonly stats: ProxyProtocolStats } | undefined;
  /** Of the listener itself: a line for each connection. */
  readonly accessLogs: readonly AccessLog[];
  /** Chains that this version made; the others it shares with the older one. */
  readonly #own: readonly ActiveFilterChain[];

  /** Chains that did not change are taken over from `older`, so that their connections go on. */
  constructor(config: ListenerConfig, older: ListenerVersion | undefined, options: FilterChainOptions) {
    this.config = config;
    const { accessLogFiles, formatContext } = options.filter;
    this.accessLogs = createAccessLogs(config.accessLogs, accessLogFiles, formatContext);
    const own: ActiveFilterChain[] = [];
    const left = new Set(
      older !== undefined &&
        older.config.perConnectionBufferLimitBytes === config.perConnectionBufferLimitBytes &&
        older.config.trafficDirection === config.trafficDirection
        ? older.chains
        : [],
    );
    const chainOf = (chain: FilterChainConfig): ActiveFilterChain => {
      for (const one of left) {
        if (!sameFilterChain(one.config, chain)) continue;
        left.delete(one);
        return one;
      }
      const limits = options.filter.limits?.within(`${config.name}/${chain.name}`);
      const filter = createNetworkFilter(chain.filters, {
        ...options.filter,
        limits,
        bufferLimitBytes: config.perConnectionBufferLimitBytes,
        trafficDirection: config.trafficDirection,
      });
      const made = new ActiveFilterChain(
        chain,
        filter,
        createConnectionFilters(chain.filters, { ...options.filter, limits }),
        createTransport(chain, options),
      );
      own.push(made);
      return made;
    };
    const chains = config.filterChains.map(chainOf);
    const fallback = config.defaultFilterChain === undefined ? undefined : chainOf(config.defaultFilterChain);
    this.matcher = new FilterChainMatcher(fallback);
    chains.forEach((chain, index) => this.matcher.add(config.filterChains[index]?.match, chain));
    this.chains = fallback === undefined ? chains : [...chains, fallback];
    this.#own = own;
    const kinds = new Set(config.listenerFilters.map((filter) => filter.kind));
    const needsTlsFacts = config.filterChains.some(
      ({ match }) =>
        match !== undefined &&
        (match.serverNames.length > 0 ||
          match.transportProtocol !== '' ||
          match.applicationProtocols.some((protocol) => protocol !== 'http/1.1' && protocol !== 'h2c')),
    );
    this.looksForTls = kinds.has('tls-inspector') || needsTlsFacts;
    this.decidedPorts = decidedPortsOf(config.filterChains);
    this.looksForHttp = kinds.has('http-inspector');
    this.clientAddressMark = config.listenerFilters.find((filter) => filter.kind === 'original-src')?.mark;
    const proxied = config.listenerFilters.find((filter) => filter.kind === 'proxy-protocol');
    this.proxyProtocol = proxied && {
      config: proxied.config,
      stats: new ProxyProtocolStats(options.filter.stats, proxied.config.statPrefix),
    };
    this.findsOriginalDestination = kinds.has('original-dst') || config.useOriginalDst;
  }

  /** Warms the chains that are new. `onWarm` is called once, maybe inside this call. */
  start(onWarm: () => void): void {
    let waiting = this.#own.length + 1;
    const one = (): void => {
      if (--waiting === 0) onWarm();
    };
    for (const chain of this.#own) chain.start(one);
    one();
  }

  /** Stops the watches of chains that this version made; used when it never came into service. */
  abandon(): void {
    for (const chain of this.#own) chain.stop();
  }
}

/**
 * Servers that speak first stand behind such ports. Where policies may ask for the server name, the first bytes are looked at all the
 * same.
 */
function decidedPortsOf(chains: readonly FilterChainConfig[]): ReadonlySet<number> {
  const decided = new Map<number, boolean>();
  for (const { match, filters } of chains) {
    if (match?.destinationPort === undefined) continue;
    const { serverNames, transportProtocol, applicationProtocols } = match;
    const isBlind =
      serverNames.length + applicationProtocols.length === 0 &&
      transportProtocol === '' &&
      filters.at(-1)?.kind === 'tcp-proxy' &&
      filters.every(({ kind }) => kind !== 'rbac');
    decided.set(match.destinationPort, isBlind && decided.get(match.destinationPort) !== false);
  }
  return new Set([...decided].flatMap(([port, isDecided]) => (isDecided ? [port] : [])));
}

function createTransport(
  chain: FilterChainConfig,
  { tls, statTags }: FilterChainOptions,
): DownstreamTransport | undefined {
  if (chain.transportSocket.kind === 'raw') return undefined;
  // Configurations with TLS are refused where there is none: it must never become plain text.
  if (tls === undefined) throw new BrokenInvariantError('there is no TLS for a chain that asks for it');
  return tls.downstream(chain.transportSocket, {
    statTags,
    speaks: spokenBy(chain.filters.at(-1)),
    timeoutMs: chain.transportSocketConnectTimeoutMs,
  });
}

/** A connection manager that takes HTTP/1.1 alone agrees on nothing else. */
function spokenBy(filter: NetworkFilterConfig | undefined): SpokenProtocols {
  return filter?.kind === 'http-connection-manager' && filter.config.codecType === 'http1' ? 'http1' : 'any';
}
