import { readFileSync } from 'node:fs';
import type { Clock, Logger, Timer } from '@heddle/common';
import type { Counter, Gauge, StatsStore } from '../stats/stats-store.js';
import { memoryPressure, type MemoryUse } from './memory-use.js';
import type {
  MonitorConfig,
  OverloadActionConfig,
  OverloadActionName,
  OverloadConfig,
  OverloadTriggerConfig,
} from './overload-config.js';
import { OverloadState } from './overload-state.js';

export interface OverloadManagerOptions {
  readonly config: OverloadConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly memoryUse: () => MemoryUse;
  /** Units: bytes. */
  readonly memoryLimit: number;
  /** Tells how much CPU time it took. Units: ms. */
  readonly collectGarbage: () => number;
}

/** Between two looks for dead objects. */
const LEAST_COLLECTION_PAUSE_MS = 1000;
/** A pause is at least so many times what the last look took: they cost 5 % of the time at most. */
const PAUSE_FACTOR = 20;

interface Monitor {
  readonly config: MonitorConfig;
  readonly pressure: Gauge;
  readonly failedUpdates: Counter;
  value: number;
}

interface Action {
  readonly config: OverloadActionConfig;
  readonly active: Gauge;
  readonly scalePercent: Gauge;
  share: number;
}

/**
 * Watches what may run short and says what is shed, before anything falls over.
 *
 * Source: envoy.config.overload.v3.OverloadManager. Memory counts after dead objects were collected: nobody is refused for what
 * nobody needs.
 */
export class OverloadManager {
  readonly state = new OverloadState();
  readonly #options: OverloadManagerOptions;
  readonly #monitors: readonly Monitor[];
  readonly #actions: readonly Action[];
  #mayCollectAtMs = -Infinity;
  #timer: Timer | undefined = undefined;

  constructor(options: OverloadManagerOptions) {
    this.#options = options;
    const { config, stats } = options;
    this.#monitors = config.monitors.map((monitor) => ({
      config: monitor,
      pressure: stats.gauge(`overload.${monitor.name}.pressure`),
      failedUpdates: stats.counter(`overload.${monitor.name}.failed_updates`),
      value: 0,
    }));
    this.#actions = config.actions.map((action) => ({
      config: action,
      active: stats.gauge(`overload.${action.name}.active`),
      scalePercent: stats.gauge(`overload.${action.name}.scale_percent`),
      share: 0,
    }));
  }

  /** Looks now, and again in every interval. */
  start(): void {
    if (this.#monitors.length > 0) this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#refresh();
    this.#timer = this.#options.clock.setTimer(this.#options.config.refreshIntervalMs, () => this.#look());
  }

  #refresh(): void {
    for (const monitor of this.#monitors) this.#update(monitor);
    for (const action of this.#actions) this.#apply(action);
    const share = (name: OverloadActionName): number =>
      this.#actions.reduce((most, one) => (one.config.action === name ? Math.max(most, one.share) : most), 0);
    this.state.requests = share('stop-accepting-requests');
    this.state.keepalive = share('disable-http-keepalive');
    this.state.connections = Math.max(
      share('stop-accepting-connections'),
      share('reject-incoming-connections'),
    );
  }

  #update(monitor: Monitor): void {
    const { config } = monitor;
    if (config.kind === 'injected') {
      const pressure = pressureIn(config.file);
      if (pressure === undefined) monitor.failedUpdates.inc();
      else monitor.value = pressure;
    } else {
      monitor.value = this.#memoryPressure(config);
      if (monitor.value >= this.#lowestTrigger(config.name) && this.#collect()) {
        monitor.value = this.#memoryPressure(config);
      }
    }
    monitor.pressure.set(Math.round(monitor.value * 100));
  }

  #memoryPressure(config: Exclude<MonitorConfig, { kind: 'injected' }>): number {
    const use = this.#options.memoryUse();
    if (config.kind === 'memory') return memoryPressure(use, this.#options.memoryLimit);
    return (use.heap + use.external) / config.maxBytes;
  }

  #lowestTrigger(monitor: string): number {
    let lowest = Infinity;
    for (const { config } of this.#actions) {
      for (const trigger of config.triggers) {
        if (trigger.monitor !== monitor) continue;
        lowest = Math.min(lowest, trigger.kind === 'threshold' ? trigger.value : trigger.from);
      }
    }
    return lowest;
  }

  /** Unless that was done a moment ago. */
  #collect(): boolean {
    const { clock, collectGarbage } = this.#options;
    if (clock.monotonicMs() < this.#mayCollectAtMs) return false;
    const tookMs = collectGarbage();
    this.#mayCollectAtMs = clock.monotonicMs() + Math.max(LEAST_COLLECTION_PAUSE_MS, PAUSE_FACTOR * tookMs);
    return true;
  }

  #apply(action: Action): void {
    const { config } = action;
    const before = action.share;
    action.share = config.triggers.reduce((most, trigger) => Math.max(most, this.#shareOf(trigger)), 0);
    action.active.set(action.share >= 1 ? 1 : 0);
    action.scalePercent.set(Math.round(action.share * 100));
    if ((before === 0) === (action.share === 0)) return;
    const pressures = (): object =>
      Object.fromEntries(
        this.#monitors.map(({ config: { name }, value }) => [name, Number(value.toFixed(3))]),
      );
    if (action.share > 0) {
      this.#options.log.warn('this proxy is overloaded', { action: config.name, ...pressures() });
    } else
      this.#options.log.info('this proxy is no longer overloaded', { action: config.name, ...pressures() });
  }

  #shareOf(trigger: OverloadTriggerConfig): number {
    const pressure = this.#monitors.find(({ config }) => config.name === trigger.monitor)?.value ?? 0;
    if (trigger.kind === 'threshold') return pressure >= trigger.value ? 1 : 0;
    return Math.min(1, Math.max(0, (pressure - trigger.from) / (trigger.to - trigger.from)));
  }
}

function pressureIn(file: string): number | undefined {
  try {
    const pressure = Number(readFileSync(file, 'utf8').trim());
    return pressure >= 0 && pressure <= 1 ? pressure : undefined;
  } catch {
    return undefined; // it is counted
  }
}
