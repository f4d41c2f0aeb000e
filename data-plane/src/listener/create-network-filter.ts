import { BrokenInvariantError } from '@heddle/common';
import type { NetworkFilterConfig } from '@heddle/engine';
import { HttpConnectionManager } from '../http/http-connection-manager.js';
import type { ConnectionManagerOptions } from '../http/connection-manager-runtime.js';
import { httpFilterOf } from '../http/filters/index.js';
import { ROUTER_TYPE_URL } from '../http/filters/router/type-url.js';
import type { ConnectionFilter } from '../network/connection-filter.js';
import { ConnectionRateLimit } from '../network/connection-rate-limit.js';
import { Echo } from '../network/echo.js';
import { FetchedConnectionFilter } from '../network/fetched-connection-filter.js';
import type { NetworkFilter } from '../network/network-connection.js';
import { RbacConnectionFilter } from '../network/rbac-connection-filter.js';
import { TcpProxy } from '../network/tcp-proxy.js';

/** Makes the network filters of a filter chain into its terminal one: the explicit list of those there are. */
export function createNetworkFilter(
  filters: readonly NetworkFilterConfig[],
  options: ConnectionManagerOptions,
): NetworkFilter {
  const terminal = filters.at(-1);
  switch (terminal?.kind) {
    case 'http-connection-manager':
      return new HttpConnectionManager(terminal.config, options);
    case 'tcp-proxy': {
      const metrics = filters.flatMap((filter) => (filter.kind === 'istio-stats' ? filter.config : []));
      return new TcpProxy(terminal.config, { ...options, istioStats: metrics });
    }
    case 'echo':
      return new Echo(options.clock);
    case 'istio-stats':
    case 'discovered':
    case 'local-rate-limit':
    case 'rbac':
    case undefined:
      throw new BrokenInvariantError('a filter chain without a terminal filter was accepted');
  }
}

/** Makes those before the terminal one that a connection has to pass, in order. */
export function createConnectionFilters(
  filters: readonly NetworkFilterConfig[],
  options: Pick<ConnectionManagerOptions, 'stats' | 'clock' | 'configSource' | 'limits'>,
): readonly ConnectionFilter[] {
  return filters.flatMap((filter) => createConnectionFilter(filter, options) ?? []);
}

function createConnectionFilter(
  filter: NetworkFilterConfig,
  options: Pick<ConnectionManagerOptions, 'stats' | 'clock' | 'configSource' | 'limits'>,
): ConnectionFilter | undefined {
  const { stats, clock, configSource, limits } = options;
  switch (filter.kind) {
    case 'rbac':
      return new RbacConnectionFilter(filter.config, stats);
    case 'local-rate-limit':
      return new ConnectionRateLimit(filter.config, stats, clock, limits);
    case 'discovered': {
      const { name, discovery } = filter;
      const create = (config: NetworkFilterConfig): ConnectionFilter | undefined =>
        createConnectionFilter(config, options);
      return new FetchedConnectionFilter({ name, discovery, configSource, stats, create });
    }
    default:
      return undefined;
  }
}

/** What keeps a network filter from being made, or undefined. */
export function whyNotNetworkFilter(
  config: NetworkFilterConfig,
  hasConfigSource: boolean,
): string | undefined {
  if (config.kind !== 'http-connection-manager') return undefined;
  const { routes } = config.config;
  if (routes.kind === 'scoped' && routes.config.scopes === undefined && !hasConfigSource) {
    return `scopes of routes "${routes.config.name}" are wanted by SRDS, but there is no source of configuration`;
  }
  if (routes.kind === 'rds' && !hasConfigSource) {
    return `routes "${routes.name}" are wanted by RDS, but there is no source of configuration`;
  }
  const missing = config.config.httpFilters.find(
    (filter) =>
      'typeUrl' in filter && filter.typeUrl !== ROUTER_TYPE_URL && httpFilterOf(filter.typeUrl) === undefined,
  );
  // Never left out: it may be one that keeps somebody out.
  return missing === undefined ? undefined : `HTTP filter "${missing.name}" is not there yet`;
}
