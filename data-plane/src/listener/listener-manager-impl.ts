import type { Counter, Gauge } from '../stats/stats-store.js';
import { formatAddress, type AddressConfig, type ListenerConfig } from '@heddle/engine';
import type { ApplyProblem } from '../cluster/cluster-manager.js';
import { OverloadState } from '../overload/overload-state.js';
import { Runtime } from '../runtime/runtime.js';
import { IstioTelemetry } from '../stats/istio/istio-telemetry.js';
import { LabelledMetrics } from '../stats/istio/labelled-metrics.js';
import { Deadlines } from '../codec/http1/deadline-queue.js';
import { SharedLimits } from '../shared/shared-limits.js';
import { ConnectionCount, SharedConnectionCount } from './connection-count.js';
import { BoundedLog } from './bounded-log.js';
import { ActiveListener } from './active-listener.js';
import { FirstSpeakers } from './first-speakers.js';
import type { ListenerContext } from './listener-context.js';
import type {
  DrainOptions,
  ListenerManager,
  ListenerManagerOptions,
  ListenerStatus,
} from './listener-manager.js';
import { listenerProblems } from './listener-version.js';
import { sameSockets } from './same-config.js';

const ANY_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** See `ListenerManager`. */
export class ListenerManagerImpl implements ListenerManager {
  readonly #options: ListenerManagerOptions;
  readonly #context: ListenerContext;
  readonly #deadlines: Deadlines;
  readonly #listeners = new Map<string, ActiveListener>();
  /** Made when a redirected connection comes first after a change. */
  #byAddress: ReadonlyMap<string, ActiveListener> | undefined = undefined;
  /** Removed or replaced, with connections still open. */
  readonly #leaving = new Set<ActiveListener>();
  readonly #waiting: (() => void)[] = [];
  readonly #added: Counter;
  readonly #modified: Counter;
  readonly #removed: Counter;
  readonly #failed: Counter;
  readonly #active: Gauge;
  readonly #warming: Gauge;
  readonly #drainingGauge: Gauge;
  #onDrained: (() => void) | undefined = undefined;
  /** Set when everything is drained because the proxy ends. */
  #ending = false;
  #drainTimer: { cancel(): void } | undefined = undefined;
  #lastConnectionId = 0;
  /** Updates run one after another: binding takes time. */
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: ListenerManagerOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
    const { clock, random, log, stats, clusters, accessLogFiles, configSource } = options;
    const { cells } = options;
    const countFor = (what: string): ConnectionCount =>
      cells === undefined
        ? new ConnectionCount()
        : new SharedConnectionCount(cells.claim(`connections of ${what}`));
    this.#context = {
      options,
      filterOptions: {
        clock,
        random,
        log,
        stats,
        clusters,
        accessLogFiles,
        configSource,
        formatContext: options.formatContext ?? {},
        deadlines: this.#deadlines,
        runtime: options.runtime ?? new Runtime(),
        overload: options.overload ?? new OverloadState(),
        limits: cells && new SharedLimits(cells),
        telemetry: options.telemetry ?? new IstioTelemetry({}, new LabelledMetrics({ clock, stats })),
      },
      failures: new BoundedLog(log, clock),
      firstSpeakers: new FirstSpeakers(clock),
      drainTimeMs: options.drainTimeMs ?? 600_000,
      maxConnections: options.maxConnections ?? 50_000,
      maxConnectionsPerListener: options.maxConnectionsPerListener ?? 10_000,
      connections: countFor('all listeners'),
      accepted: 0,
      countFor: (listener) => countFor(`listener ${listener}`),
      nextConnectionId: () => ++this.#lastConnectionId,
      listenerFor: (destination, asking) => this.#listenerFor(destination, asking),
    };
    this.#added = stats.counter('listener_manager.listener_added');
    this.#modified = stats.counter('listener_manager.listener_modified');
    this.#removed = stats.counter('listener_manager.listener_removed');
    this.#failed = stats.counter('listener_manager.listener_create_failure');
    this.#active = stats.gauge('listener_manager.total_listeners_active');
    this.#warming = stats.gauge('listener_manager.total_listeners_warming');
    this.#drainingGauge = stats.gauge('listener_manager.total_listeners_draining');
  }

  apply(added: readonly ListenerConfig[], removed: readonly string[]): Promise<readonly ApplyProblem[]> {
    const run = this.#queue.then(() => this.#apply(added, removed));
    this.#queue = run;
    return run;
  }

  get ready(): boolean {
    for (const listener of this.#listeners.values()) if (!listener.warm) return false;
    return true;
  }

  onReady(callback: () => void): void {
    if (this.ready) callback();
    else this.#waiting.push(callback);
  }

  status(): readonly ListenerStatus[] {
    const all = [...this.#listeners.values(), ...this.#leaving].map((listener): ListenerStatus => ({
      name: listener.name,
      config: listener.config,
      state: listener.draining ? 'draining' : listener.warm ? 'active' : 'warming',
      addresses: listener.addresses,
      connections: listener.connections,
    }));
    return all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  get activeConnections(): number {
    return this.#context.connections.open;
  }

  get acceptedConnections(): number {
    return this.#context.accepted;
  }

  get activeRequests(): number {
    let active = 0;
    for (const listener of this.#listeners.values()) active += listener.activeRequests;
    for (const listener of this.#leaving) active += listener.activeRequests;
    return active;
  }

  drain({ inboundOnly, keepsIdle }: DrainOptions = {}, onDrained?: () => void): void {
    const isMeant = ({ config }: ActiveListener): boolean =>
      inboundOnly !== true || config.trafficDirection === 'inbound';
    // Clients of those that leave already were to be told first: there is no more time for it.
    if (keepsIdle !== true) for (const listener of this.#leaving) if (isMeant(listener)) listener.drain(true);
    for (const [name, listener] of this.#listeners) {
      if (!isMeant(listener)) continue;
      this.#listeners.delete(name);
      this.#letGo(listener, keepsIdle !== true);
      // When the whole process ends, its sockets stay for the one that follows.
      if (onDrained === undefined) this.#giveUpSockets(listener);
    }
    this.#onDrained = onDrained;
    if (onDrained !== undefined) {
      this.#ending = true;
      this.#drainTimer?.cancel();
      this.#drainTimer = this.#options.clock.setTimer(this.#context.drainTimeMs, () => this.#drained());
    }
    this.#onChange();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
    this.#drainTimer?.cancel();
    for (const listener of [...this.#listeners.values(), ...this.#leaving]) listener.close();
    this.#listeners.clear();
    this.#leaving.clear();
    this.#waiting.length = 0;
    this.#deadlines.stop();
  }

  async #apply(
    added: readonly ListenerConfig[],
    removed: readonly string[],
  ): Promise<readonly ApplyProblem[]> {
    const problems: ApplyProblem[] = [];
    // A proxy that is ending opens nothing again, whatever the control plane still sends.
    if (this.#closed || this.#ending) return problems;
    for (const name of removed) {
      const listener = this.#listeners.get(name);
      if (listener === undefined) continue;
      this.#listeners.delete(name);
      this.#removed.inc();
      this.#letGo(listener);
      this.#giveUpSockets(listener);
    }
    for (const config of added) {
      for (const message of await this.#add(config)) problems.push({ resource: config.name, message });
    }
    this.#onChange();
    return problems;
  }

  async #add(config: ListenerConfig): Promise<readonly string[]> {
    const problems = listenerProblems(
      config,
      this.#options.configSource !== undefined,
      this.#options.tls?.(),
    );
    if (problems.length > 0) {
      this.#failed.inc();
      return problems;
    }
    const current = this.#listeners.get(config.name);
    if (current !== undefined && sameSockets(current.newestConfig, config)) {
      this.#modified.inc();
      current.update(config);
      return [];
    }
    const listener = new ActiveListener(config, this.#context, () => this.#onChange());
    // Connections may arrive from the moment it is bound: they wait for the first version.
    listener.update(config);
    const refused = await listener.bind(config);
    if (refused !== undefined) {
      listener.close();
      this.#failed.inc();
      return [refused];
    }
    if (this.#closed || this.#ending) {
      listener.close();
      return [];
    }
    if (current === undefined) this.#added.inc();
    else {
      this.#modified.inc();
      this.#letGo(current);
      this.#giveUpSockets(current, listener);
    }
    this.#listeners.set(config.name, listener);
    this.#options.log.debug('listener is bound', { listener: config.name });
    return [];
  }

  #letGo(listener: ActiveListener, closesIdle = false): void {
    this.#leaving.add(listener);
    listener.drain(closesIdle);
  }

  /** Whoever holds our sockets is told that these are not served any more, except those that a successor has. */
  #giveUpSockets(listener: ActiveListener, successor?: ActiveListener): void {
    const { heldSockets } = this.#options;
    if (heldSockets === undefined) return;
    const kept = new Set(successor?.addresses.map(formatAddress));
    for (const address of listener.addresses) {
      if (address.kind !== 'socket' || kept.has(formatAddress(address))) continue;
      heldSockets.unlisten(address.host, address.port);
    }
  }

  #listenerFor(destination: AddressConfig, asking: ActiveListener): ActiveListener | undefined {
    if (destination.kind !== 'socket') return undefined;
    const index = (this.#byAddress ??= this.#indexAddresses());
    const exact = index.get(`${destination.host} ${destination.port}`);
    if (exact !== undefined) return exact === asking ? undefined : exact;
    const any = index.get(`* ${destination.port}`);
    return any === asking ? undefined : any;
  }

  /** By address and port, and `*` for those of any address; the first listener of an address has it. */
  #indexAddresses(): Map<string, ActiveListener> {
    const index = new Map<string, ActiveListener>();
    for (const listener of this.#listeners.values()) {
      for (const address of listener.addresses) {
        if (address.kind !== 'socket') continue;
        const host = ANY_ADDRESSES.has(address.host) ? '*' : address.host;
        const key = `${host} ${address.port}`;
        if (!index.has(key)) index.set(key, listener);
      }
    }
    return index;
  }

  /** Something became warm, or the last connection of something that leaves has ended. */
  #onChange(): void {
    this.#byAddress = undefined;
    for (const listener of this.#leaving) if (listener.connections === 0) this.#leaving.delete(listener);
    let warming = 0;
    for (const listener of this.#listeners.values()) if (!listener.warm) warming++;
    this.#active.set(this.#listeners.size - warming);
    this.#warming.set(warming);
    this.#drainingGauge.set(this.#leaving.size);
    while (this.#waiting.length > 0 && this.ready) (this.#waiting.shift() as () => void)();
    if (this.#onDrained !== undefined && this.#leaving.size === 0) this.#drained();
  }

  #drained(): void {
    this.#drainTimer?.cancel();
    this.#drainTimer = undefined;
    const onDrained = this.#onDrained;
    this.#onDrained = undefined;
    onDrained?.();
  }
}
