import {
  formatAddress,
  hashKeyOf,
  hostHealth,
  type AddressConfig,
  type EndpointConfig,
  type HostHealth,
  type LbHost,
} from '@heddle/engine';
import type { ConnectionPool } from '../codec/stream.js';
import type { ClientConnection } from './client-connection.js';
import { ENDPOINT_FLAGS, HEALTH_FLAG, healthOf } from './health-flag.js';
import type { HostTransport } from './cluster-transports.js';
import { HOST_COUNTER, type HostCounters } from './host-counters.js';
import type { InternalListeners } from './internal-listeners.js';
import type { WatchedSlot } from './watched-slot.js';

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** Bound of the clients that have a pool of their own at one host; beyond it the oldest one makes room. */
const MOST_CLIENT_POOLS = 1_024;

/** A pool of clients that have one of their own; `owner`: the one connection that it is for, if it is for no other. */
interface ClientPool {
  readonly pool: ConnectionPool;
  readonly owner: ClientConnection | undefined;
  readonly onOwnerGone: () => void;
}

/**
 * One endpoint of a cluster. It outlives updates: the same address keeps its counters and pools, and what the control plane says
 * of it changes in place.
 */
export class Host implements LbHost {
  readonly address: AddressConfig;
  /** `host:port`, made once for access logs and admin pages. */
  readonly addressText: string;
  hostname: string;
  locality: Locality;
  priority: number;
  weight: number;
  configuredHealth: EndpointConfig['health'];
  /** What the flags come to. */
  health: HostHealth = 'healthy';
  metadata: EndpointConfig['metadata'];
  healthCheck: EndpointConfig['healthCheck'];
  /** What the control plane calls the workload there; empty: nothing. Source: Istio's endpoint metadata `istio.workload`. */
  workload: string;
  /** undefined: bare plain text is spoken to it. */
  transport: HostTransport | undefined = undefined;
  /** Where it is reached, if that is inside this process. */
  internalListeners: InternalListeners | undefined = undefined;
  readonly counters: HostCounters;
  /** Where `WATCHED` counters are: its own, or those that all threads of the process have together. */
  watched: HostCounters;
  #shared: WatchedSlot | undefined = undefined;
  /** By protocol and priority: see `Cluster.pool`. */
  readonly pools: (ConnectionPool | undefined)[] = [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ];
  /** Of clients from whose addresses connections come; undefined: of none. */
  #clientPools: Map<string, ClientPool> | undefined = undefined;
  /** Pools that drain or close and still have connections. */
  #leavingPools = 0;
  #onUnused: (() => void) | undefined = undefined;

  constructor(
    address: AddressConfig,
    endpoint: EndpointConfig,
    locality: Locality,
    priority: number,
    counters: HostCounters,
  ) {
    this.address = address;
    this.addressText = formatAddress(address);
    this.hostname = endpoint.hostname;
    this.locality = locality;
    this.priority = priority;
    this.weight = Math.max(1, endpoint.weight);
    this.configuredHealth = endpoint.health;
    this.metadata = endpoint.metadata;
    this.healthCheck = endpoint.healthCheck;
    this.workload = workloadOf(endpoint.metadata);
    this.counters = counters;
    this.watched = counters;
    this.#setEdsHealth(endpoint.health);
  }

  get activeRequests(): number {
    return this.counters.page[this.counters.first + HOST_COUNTER.rqActive] as number;
  }

  get healthySinceMs(): number {
    return this.counter(HOST_COUNTER.healthySinceMs);
  }

  /** It gets its share of requests bit by bit from now on, where its cluster starts hosts slowly. */
  startSlowly(nowMs: number): void {
    this.counters.page[this.counters.first + HOST_COUNTER.healthySinceMs] = nowMs;
  }

  /** Source: Envoy: the `hash_key` of its metadata, else its name where that is wanted, else its address. */
  hashKey(byHostname: boolean): string {
    return hashKeyOf(this, this.addressText, byHostname);
  }

  count(counter: number, amount = 1): void {
    (this.counters.page[this.counters.first + counter] as number) += amount;
  }

  counter(counter: number): number {
    return this.counters.page[this.counters.first + counter] as number;
  }

  /** One of those by which it is watched. */
  watchedCounter(counter: number): number {
    return this.watched.page[this.watched.first + counter] as number;
  }

  /** Bits of `HEALTH_FLAG`. */
  get healthFlags(): number {
    return this.counter(HOST_COUNTER.healthFlags) | (this.#shared?.flags ?? 0);
  }

  /** From now on it is watched together with the other threads; undefined: by this one alone. */
  get shared(): WatchedSlot | undefined {
    return this.#shared;
  }

  share(slot: WatchedSlot): void {
    this.#shared = slot;
    this.watched = slot.counters;
    this.health = healthOf(this.healthFlags);
  }

  /** Looks at what other threads found out. Returns whether its health is another now. */
  refreshHealth(nowMs: number): boolean {
    const before = this.health;
    this.health = healthOf(this.healthFlags);
    if (before === 'unhealthy' && this.health !== before) this.startSlowly(nowMs);
    return this.health !== before;
  }

  hasFlag(flag: number): boolean {
    return (this.healthFlags & flag) !== 0;
  }

  /** Sets or clears a flag of `HEALTH_FLAG`. The load balancer has to be told when `health` changed. */
  setFlag(flag: number, on: boolean): void {
    if (this.#shared !== undefined && (flag & ENDPOINT_FLAGS) === 0) this.#shared.setFlag(flag, on);
    else {
      const { page, first } = this.counters;
      const flags = this.counter(HOST_COUNTER.healthFlags);
      page[first + HOST_COUNTER.healthFlags] = on ? flags | flag : flags & ~flag;
    }
    this.health = healthOf(this.healthFlags);
  }

  /** Takes over what an update says of this host. */
  describe(endpoint: EndpointConfig, locality: Locality, priority: number): void {
    this.hostname = endpoint.hostname;
    this.locality = locality;
    this.priority = priority;
    this.weight = Math.max(1, endpoint.weight);
    this.configuredHealth = endpoint.health;
    this.#setEdsHealth(endpoint.health);
    this.metadata = endpoint.metadata;
    this.healthCheck = endpoint.healthCheck;
    this.workload = workloadOf(endpoint.metadata);
  }

  get hasConnections(): boolean {
    return (
      this.pools.some(isUsed) || [...(this.#clientPools?.values() ?? [])].some(({ pool }) => isUsed(pool))
    );
  }

  /**
   * The pool of one client, made when first needed. `owner`: the connection with which it goes; undefined: others of that client
   * use it, too. `onDropped`: one had to go for it.
   */
  clientPool(
    key: string,
    owner: ClientConnection | undefined,
    make: () => ConnectionPool,
    onDropped: () => void,
  ): ConnectionPool {
    const pools = (this.#clientPools ??= new Map<string, ClientPool>());
    const found = pools.get(key);
    if (found !== undefined) return found.pool;
    if (pools.size >= MOST_CLIENT_POOLS) {
      for (const [other, { pool }] of pools) if (!isUsed(pool)) this.#takeClientPool(other);
      const [oldest] = pools;
      if (pools.size >= MOST_CLIENT_POOLS && oldest !== undefined) {
        onDropped();
        this.#drainClientPool(oldest[0]);
      }
    }
    const pool = make();
    const onOwnerGone = (): void => this.#drainClientPool(key);
    pools.set(key, { pool, owner, onOwnerGone });
    if (owner !== undefined) (owner.whenGone ??= new Set()).add(onOwnerGone);
    return pool;
  }

  /** Lets the pools finish what they have; they are not used again. */
  drainPools(): void {
    this.#letGo((pool) => pool.drain());
  }

  closePools(): void {
    this.#letGo((pool) => pool.close());
  }

  /** To be called when a request on this host has ended. */
  onRequestEnd(): void {
    this.count(HOST_COUNTER.rqActive, -1);
    if (this.#onUnused !== undefined) this.#checkUnused();
  }

  /** The host is no member any more. `onUnused` is called once, when nothing counts on it any longer. */
  retire(onUnused: () => void): void {
    this.#onUnused = onUnused;
    this.#checkUnused();
  }

  #setEdsHealth(health: EndpointConfig['health']): void {
    const counted = hostHealth(health);
    this.setFlag(HEALTH_FLAG.failedEdsHealth, counted === 'unhealthy');
    this.setFlag(HEALTH_FLAG.degradedEdsHealth, counted === 'degraded');
  }

  #letGo(how: (pool: ConnectionPool) => void): void {
    for (let slot = 0; slot < this.pools.length; slot++) {
      const pool = this.pools[slot];
      if (pool === undefined) continue;
      this.pools[slot] = undefined;
      this.#letGoOf(pool, how);
    }
    if (this.#clientPools === undefined) return;
    for (const key of [...this.#clientPools.keys()]) {
      const pool = this.#takeClientPool(key);
      if (pool !== undefined) this.#letGoOf(pool, how);
    }
  }

  #drainClientPool(key: string): void {
    const pool = this.#takeClientPool(key);
    if (pool !== undefined) this.#letGoOf(pool, (one) => one.drain());
  }

  /** It is not used again. */
  #takeClientPool(key: string): ConnectionPool | undefined {
    const taken = this.#clientPools?.get(key);
    if (taken === undefined) return undefined;
    this.#clientPools?.delete(key);
    taken.owner?.whenGone?.delete(taken.onOwnerGone);
    return taken.pool;
  }

  #letGoOf(pool: ConnectionPool, how: (pool: ConnectionPool) => void): void {
    if (isUsed(pool)) {
      this.#leavingPools++;
      pool.onIdle = () => {
        pool.onIdle = undefined;
        this.#leavingPools--;
        this.#checkUnused();
      };
    }
    how(pool);
  }

  #checkUnused(): void {
    if (this.#onUnused === undefined || this.#leavingPools > 0 || this.activeRequests > 0) return;
    const onUnused = this.#onUnused;
    this.#onUnused = undefined;
    onUnused();
  }
}

function isUsed(pool: ConnectionPool | undefined): boolean {
  return pool !== undefined && pool.connections + pool.pendingStreams > 0;
}

function workloadOf(metadata: EndpointConfig['metadata']): string {
  const istio = metadata['istio'];
  if (typeof istio !== 'object' || istio === null || !('workload' in istio)) return '';
  return typeof istio.workload === 'string' ? istio.workload : '';
}
