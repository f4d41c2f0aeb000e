import type { envoy } from '@heddle/xds-protos';
import type { AddressConfig } from '../config/address.js';
import type { ListenerConfig } from '../config/listener-config.js';
import type { Translated } from '../config/problem.js';
import { translateAccessLogs } from './access-log.js';
import { translateAddress } from './address.js';
import { reportSameMatches, translateFilterChain } from './filter-chain.js';
import { Findings } from './findings.js';
import { translateListenerFilters } from './listener-filters.js';
import { deepFreeze, durationMs, enumName, requiredText, wrappedNumber } from './proto-values.js';

type Listener = envoy.config.listener.v3.Listener;

const LISTENER_FILTERS_TIMEOUT_MS = 15_000;
const BUFFER_BYTES = 1024 * 1024;
/** Linux's own default for somaxconn, which Envoy takes when nothing is configured. */
const TCP_BACKLOG = 4096;

/** Translates a listener. Source: envoy.config.listener.v3.Listener. */
export function translateListener(listener: Listener): Translated<ListenerConfig> {
  const findings = new Findings();
  findings.unknownFields(listener, '');
  reportUnsupported(listener, findings);
  const chains = listener.filterChains.map((chain, i) =>
    translateFilterChain(chain, `filter_chains[${i}]`, findings),
  );
  reportSameMatches(chains, 'filter_chains', findings);
  if (chains.length === 0 && listener.defaultFilterChain === null) {
    findings.problem('filter_chains', 'must have at least one entry, or default_filter_chain must be set');
  }
  const isInternal = listener.listenerSpecifier === 'internalListener';
  const address: AddressConfig = isInternal
    ? { kind: 'internal', listener: requiredText(listener.name, 'name', findings), endpointId: '' }
    : translateAddress(listener.address, 'ip-only', 'address', findings);
  if (isInternal && listener.address !== null) findings.problem('address', 'an internal listener has none');
  if (!isInternal && address.kind === 'internal')
    findings.problem('address.envoy_internal_address', 'a listener of this process has internal_listener');
  if (address.kind === 'socket' && address.protocol === 'udp') {
    findings.problem('address.socket_address.protocol', 'UDP listeners are not supported');
  }
  const config: ListenerConfig = {
    name: listener.name,
    address,
    additionalAddresses: listener.additionalAddresses.map((one, i) =>
      translateAddress(one.address, 'ip-only', `additional_addresses[${i}].address`, findings),
    ),
    statPrefix: listener.statPrefix,
    filterChains: chains,
    defaultFilterChain:
      listener.defaultFilterChain === null
        ? undefined
        : translateFilterChain(listener.defaultFilterChain, 'default_filter_chain', findings),
    listenerFilters: translateListenerFilters(listener.listenerFilters, 'listener_filters', findings),
    listenerFiltersTimeoutMs: durationMs(
      listener.listenerFiltersTimeout,
      LISTENER_FILTERS_TIMEOUT_MS,
      'listener_filters_timeout',
      findings,
    ),
    continueOnListenerFiltersTimeout: listener.continueOnListenerFiltersTimeout,
    perConnectionBufferLimitBytes: wrappedNumber(
      listener.perConnectionBufferLimitBytes,
      BUFFER_BYTES,
      'per_connection_buffer_limit_bytes',
      findings,
    ),
    trafficDirection: enumName(
      ['unspecified', 'inbound', 'outbound'] as const,
      listener.trafficDirection,
      'traffic_direction',
      findings,
    ),
    bindToPort: isInternal
      ? false
      : (listener.bindToPort?.value ?? listener.deprecatedV1?.bindToPort?.value ?? true),
    ...(listener.transparent?.value === true ? { transparent: true } : {}),
    useOriginalDst: listener.useOriginalDst?.value ?? false,
    tcpBacklogSize: wrappedNumber(
      listener.tcpBacklogSize,
      TCP_BACKLOG,
      'tcp_backlog_size',
      findings,
      0,
      65_535,
    ),
    accessLogs: translateAccessLogs(listener.accessLog, 'access_log', findings),
    maxConnections: undefined,
  };
  return findings.finish(deepFreeze(config));
}

function reportUnsupported(listener: Listener, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void => findings.unsupported(field, isSet, 'problem');
  const warning = (field: string, isSet: boolean): void => findings.unsupported(field, isSet, 'warning');
  problem('filter_chain_matcher', listener.filterChainMatcher !== null);
  problem('api_listener', listener.apiListener !== null);
  problem('udp_listener_config', listener.udpListenerConfig !== null);
  warning('freebind', listener.freebind?.value === true);
  warning('socket_options', listener.socketOptions.length > 0);
  warning('tcp_fast_open_queue_length', listener.tcpFastOpenQueueLength !== null);
  warning('connection_balance_config', listener.connectionBalanceConfig !== null);
  warning('enable_mptcp', listener.enableMptcp);
}
