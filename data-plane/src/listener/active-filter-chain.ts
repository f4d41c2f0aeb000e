import type { Socket } from 'node:net';
import type { FilterChainConfig, NetworkFilterConfig } from '@heddle/engine';
import type { ConnectionInfo } from '../http/stream-state.js';
import type { ConnectionFilter } from '../network/connection-filter.js';
import type { HeldConnection, NetworkConnection, NetworkFilter } from '../network/network-connection.js';
import type { DownstreamTransport } from '../tls/transport.js';

/** One filter chain of a listener with the connections that it carries. It outlives the listener's update until they end. */
export class ActiveFilterChain {
  readonly config: FilterChainConfig;
  readonly filter: NetworkFilter;
  /** undefined: clients speak plain text. */
  readonly transport: DownstreamTransport | undefined;
  readonly #connectionFilters: readonly ConnectionFilter[];
  readonly connections = new Set<NetworkConnection>();
  #draining = false;
  #closesIdle = false;

  constructor(
    config: FilterChainConfig,
    filter: NetworkFilter,
    connectionFilters: readonly ConnectionFilter[],
    transport: DownstreamTransport | undefined,
  ) {
    this.config = config;
    this.filter = filter;
    this.#connectionFilters = connectionFilters;
    this.transport = transport;
  }

  /** Gives a connection to the terminal filter, unless one before it refuses it. */
  accept(socket: Socket, info: ConnectionInfo, early: Buffer | undefined): NetworkConnection {
    const filters = this.#connectionFilters;
    for (let i = 0; i < filters.length; i++) {
      const refusal = (filters[i] as ConnectionFilter).check(info);
      if (refusal !== undefined) return this.filter.refuse(socket, info, refusal);
    }
    return this.filter.accept(socket, info, early);
  }

  /** As `hold` of the terminal filter; undefined where it cannot, or where a filter before it has to be asked first. */
  hold(socket: Socket, info: ConnectionInfo, onUpstreamSpeaks: () => void): HeldConnection | undefined {
    if (this.#connectionFilters.length > 0 || this.transport !== undefined) return undefined;
    return this.filter.hold?.(socket, info, onUpstreamSpeaks);
  }

  /** Waits for routes, secrets and filters. `onWarm` is called once, maybe inside this call. */
  start(onWarm: () => void): void {
    const started = [this.filter, this.transport, ...this.#connectionFilters].filter(
      (one) => one?.start !== undefined,
    );
    let waiting = started.length;
    const one = (): void => {
      if (--waiting === 0) onWarm();
    };
    for (const part of started) part?.start?.(one);
  }

  /** Stops waiting and watching; connections go on. */
  stop(): void {
    this.filter.close();
    this.transport?.close();
    for (const filter of this.#connectionFilters) filter.close?.();
  }

  get terminal(): NetworkFilterConfig {
    return this.config.filters.at(-1) as NetworkFilterConfig;
  }

  /** No new connection comes here; those there are end after what they carry. See `NetworkConnection.drain`. */
  drain(closesIdle: boolean): void {
    this.#draining = true;
    if (closesIdle) this.#closesIdle = true;
    this.filter.beginDrain();
    for (const connection of [...this.connections]) connection.drain(closesIdle);
  }

  /** A connection that is here now. One may have been on its way when the drain began. */
  add(connection: NetworkConnection): void {
    this.connections.add(connection);
    if (this.#draining) connection.drain(this.#closesIdle);
  }

  closeConnections(): void {
    for (const connection of [...this.connections]) connection.close();
  }
}
