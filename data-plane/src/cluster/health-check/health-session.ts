import type { Timer } from '@heddle/common';
import { HEALTH_FLAG } from '../health-flag.js';
import { HOST_COUNTER } from '../host-counters.js';
import type { Host } from '../host.js';
import type { HealthCheckerOptions } from './health-checker.js';
import { networkFailure, type Probe, type ProbeResult } from './probe.js';

/** What a result means for a host: nothing new, another health, or another health if the next one is the same. */
const Transition = Object.freeze({ Unchanged: 0, Changed: 1, Pending: 2 } as const);
type Transition = (typeof Transition)[keyof typeof Transition];

/** Told of every result. */
export interface HealthSessionOwner {
  readonly options: HealthCheckerOptions;
  onResult(session: HealthSession, passed: boolean, changed: boolean): void;
}

/**
 * The checks of one host, one after the other.
 *
 * Source: Envoy's ActiveHealthCheckSession: a first success is enough, later ones have to reach their threshold; a wrong answer is
 * enough to fail, failures of the network have to reach theirs.
 */
export class HealthSession {
  readonly host: Host;
  readonly #owner: HealthSessionOwner;
  readonly #probe: Probe;
  #timer: Timer | undefined = undefined;
  #isFirst = true;
  #isClosed = false;

  constructor(owner: HealthSessionOwner, host: Host, probe: Probe) {
    this.#owner = owner;
    this.host = host;
    this.#probe = probe;
  }

  /** Whether there was a result. */
  get isChecked(): boolean {
    return !this.#isFirst;
  }

  start(): void {
    const { config, random } = this.#owner.options;
    if (config.initialJitterMs > 0) this.#wait(random() * config.initialJitterMs);
    else this.#check();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#probe.cancel();
  }

  /** A response to a request says that the host wants no more of them. */
  onPassiveFailure(): void {
    this.#owner.options.stats.passiveFailure.inc();
    this.host.setFlag(HEALTH_FLAG.excludedViaImmediateHcFail, true);
    const transition = this.#fail(true);
    this.#tell(false, transition, 'an answer asked for it');
  }

  #wait(delayMs: number): void {
    this.#timer = this.#owner.options.clock.setTimer(Math.max(1, delayMs), () => this.#check());
  }

  #check(): void {
    const { clock, config, stats } = this.#owner.options;
    stats.attempt.inc();
    this.#timer = clock.setTimer(config.timeoutMs, () => {
      this.#probe.cancel();
      this.#onResult(networkFailure('no answer within the timeout'), true);
    });
    try {
      this.#probe.run((result) => this.#onResult(result, false));
    } catch (error) {
      this.#onResult(networkFailure(error instanceof Error ? error.message : String(error)), false);
    }
  }

  #onResult(result: ProbeResult, timedOut: boolean): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    const { config, stats } = this.#owner.options;
    let transition: Transition;
    if (result.kind === 'passed') {
      stats.success.inc();
      transition = this.#pass(result.degraded);
    } else {
      stats.failure.inc();
      if (result.network) stats.networkFailure.inc();
      if (result.excluded) this.host.setFlag(HEALTH_FLAG.excludedViaImmediateHcFail, true);
      transition = this.#fail(!result.network && !result.retriable);
      this.host.setFlag(HEALTH_FLAG.activeHcTimeout, timedOut && this.#isFailed);
    }
    const passed = result.kind === 'passed';
    const logsAnyway = passed ? config.alwaysLogSuccess : config.alwaysLogFailures || this.#isFirst;
    this.#isFirst = false;
    this.#tell(passed, transition, passed ? '' : result.reason, logsAnyway);
    if (!this.#isClosed) this.#wait(this.#nextDelayMs(passed, transition));
  }

  get #isFailed(): boolean {
    return this.host.hasFlag(HEALTH_FLAG.failedActiveHc);
  }

  #pass(degraded: boolean): Transition {
    const { host } = this;
    const { page, first } = host.watched;
    page[first + HOST_COUNTER.checksFailed] = 0;
    let transition: Transition = Transition.Unchanged;
    if (this.#isFailed) {
      const inARow = ((page[first + HOST_COUNTER.checksPassed] as number) += 1);
      if (this.#isFirst || inARow >= this.#owner.options.config.healthyThreshold) {
        host.setFlag(HEALTH_FLAG.failedActiveHc, false);
        host.startSlowly(this.#owner.options.clock.monotonicMs());
        host.setFlag(HEALTH_FLAG.activeHcTimeout, false);
        host.setFlag(HEALTH_FLAG.excludedViaImmediateHcFail, false);
        transition = Transition.Changed;
      } else transition = Transition.Pending;
    }
    if (degraded !== host.hasFlag(HEALTH_FLAG.degradedActiveHc)) {
      host.setFlag(HEALTH_FLAG.degradedActiveHc, degraded);
      transition = Transition.Changed;
    }
    return transition;
  }

  #fail(atOnce: boolean): Transition {
    const { page, first } = this.host.watched;
    page[first + HOST_COUNTER.checksPassed] = 0;
    if (this.#isFailed) return Transition.Unchanged;
    const inARow = ((page[first + HOST_COUNTER.checksFailed] as number) += 1);
    if (!atOnce && inARow < this.#owner.options.config.unhealthyThreshold) return Transition.Pending;
    this.host.setFlag(HEALTH_FLAG.failedActiveHc, true);
    return Transition.Changed;
  }

  #tell(passed: boolean, transition: Transition, reason: string, logsAnyway = false): void {
    const { log, clusterName } = this.#owner.options;
    const changed = transition === Transition.Changed;
    const fields = (): Record<string, unknown> => ({
      cluster: clusterName,
      host: this.host.addressText,
      health: this.host.health,
      ...(reason === '' ? {} : { reason }),
    });
    const message = passed ? 'health check passed' : 'health check failed';
    if (changed || logsAnyway) log.info(message, fields);
    else log.debug(message, fields);
    this.#owner.onResult(this, passed, changed);
  }

  #nextDelayMs(passed: boolean, transition: Transition): number {
    const { config, hasTraffic, random } = this.#owner.options;
    const isPending = transition === Transition.Pending;
    let delayMs: number;
    if (!hasTraffic()) {
      delayMs = passed && !isPending ? config.noTrafficHealthyIntervalMs : config.noTrafficIntervalMs;
    } else if (passed) delayMs = isPending ? config.healthyEdgeIntervalMs : config.intervalMs;
    else delayMs = isPending ? config.unhealthyEdgeIntervalMs : config.unhealthyIntervalMs;
    delayMs += random() * ((config.intervalJitterPercent * delayMs) / 100);
    return delayMs + random() * config.intervalJitterMs;
  }
}
