import type { FilterChainConfig, NetworkFilterConfig } from '@heddle/engine';
import type { NetworkConnection, NetworkFilter } from '../network/network-connection.js';

/** One filter chain of a listener with the connections that it carries. It outlives the listener's update until they end. */
export class ActiveFilterChain {
  readonly config: FilterChainConfig;
  readonly filter: NetworkFilter;
  readonly connections = new Set<NetworkConnection>();
  #draining = false;

  constructor(config: FilterChainConfig, filter: NetworkFilter) {
    this.config = config;
    this.filter = filter;
  }

  get terminal(): NetworkFilterConfig {
    return this.config.filters.at(-1) as NetworkFilterConfig;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** No new connection comes here; those there are end after what they carry. */
  drain(): void {
    this.#draining = true;
    this.filter.beginDrain();
    for (const connection of [...this.connections]) connection.drain();
  }

  closeConnections(): void {
    for (const connection of [...this.connections]) connection.close();
  }
}
