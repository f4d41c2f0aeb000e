import type { Clock, Logger, Random, Timer } from '@heddle/common';
import type { OutlierDetectionConfig } from '@heddle/engine';
import { HEALTH_FLAG } from '../health-flag.js';
import { HOST_COUNTER } from '../host-counters.js';
import type { Host } from '../host.js';
import { lock, unlock, type SharedSlot } from '../../shared/shared-cells.js';
import type { EjectionCause, OutlierStats } from './outlier-stats.js';
import { NO_THRESHOLD, successRateThreshold, type SuccessRateThreshold } from './success-rate.js';

export interface OutlierDetectorOptions {
  readonly config: OutlierDetectionConfig;
  readonly clusterName: string;
  /** All members of the cluster, now and later. */
  readonly hosts: ReadonlyMap<string, Host>;
  readonly stats: OutlierStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Hosts were ejected or came back. */
  readonly onChange: () => void;
  /** What all threads of the process have of this cluster together; `isWatcher`: this one looks once an interval. */
  readonly shared?: { readonly slot: SharedSlot; readonly isWatcher: boolean } | undefined;
}

/** Places in a host's slot of what is counted of answers, and of what is of our own making. */
const EXTERNAL = Object.freeze({
  total: HOST_COUNTER.externalTotal,
  success: HOST_COUNTER.externalSuccess,
  rate: HOST_COUNTER.externalSuccessRate,
  byRate: 'success_rate',
  byPercentage: 'failure_percentage',
} as const);
const LOCAL = Object.freeze({
  total: HOST_COUNTER.localTotal,
  success: HOST_COUNTER.localSuccess,
  rate: HOST_COUNTER.localSuccessRate,
  byRate: 'local_origin_success_rate',
  byPercentage: 'local_origin_failure_percentage',
} as const);

/**
 * Takes hosts out for a while that fail where others do not, by what requests met there.
 *
 * Source: Envoy's outlier detection.
 * Shape: all it counts lies in the hosts' slots of typed arrays.
 * Cost: counting an answer is a few assignments; everything else happens once an interval.
 */
export class OutlierDetector {
  readonly config: OutlierDetectionConfig;
  readonly #options: OutlierDetectorOptions;
  #external: SuccessRateThreshold = NO_THRESHOLD;
  #local: SuccessRateThreshold = NO_THRESHOLD;
  #timer: Timer | undefined = undefined;

  constructor(options: OutlierDetectorOptions) {
    this.config = options.config;
    this.#options = options;
  }

  /** Begins to look once an interval. */
  start(): void {
    const { clock, shared } = this.#options;
    if (shared?.isWatcher === false) return;
    this.#timer ??= clock.setTimer(this.config.intervalMs, () => {
      this.#timer = undefined;
      this.#sweep();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The rates of the last interval, for the admin pages. */
  get successRates(): { readonly external: SuccessRateThreshold; readonly local: SuccessRateThreshold } {
    return { external: this.#external, local: this.#local };
  }

  /** An answer came; gRPC's statuses as the HTTP statuses that they stand for. */
  onResponse(host: Host, status: number): void {
    const { page, first } = host.watched;
    (page[first + HOST_COUNTER.externalTotal] as number)++;
    if (status < 500 || status > 599) {
      (page[first + HOST_COUNTER.externalSuccess] as number)++;
      page[first + HOST_COUNTER.consecutive5xx] = 0;
      page[first + HOST_COUNTER.consecutiveGatewayFailure] = 0;
      return;
    }
    const { config } = this;
    if (status >= 502 && status <= 504) {
      const inARow = ((page[first + HOST_COUNTER.consecutiveGatewayFailure] as number) += 1);
      if (reaches(inARow, config.consecutiveGatewayFailure)) {
        page[first + HOST_COUNTER.consecutiveGatewayFailure] = 0;
        this.#detect(host, 'consecutive_gateway_failure', config.enforcingConsecutiveGatewayFailure);
      }
    } else page[first + HOST_COUNTER.consecutiveGatewayFailure] = 0;
    const inARow = ((page[first + HOST_COUNTER.consecutive5xx] as number) += 1);
    if (reaches(inARow, config.consecutive5xx)) {
      page[first + HOST_COUNTER.consecutive5xx] = 0;
      this.#detect(host, 'consecutive_5xx', config.enforcingConsecutive5xx);
    }
  }

  /** There is a connection for a request of HTTP; whether that goes well is yet to be seen. */
  onConnection(host: Host): void {
    if (this.config.splitExternalLocalOriginErrors) this.#localSuccess(host);
  }

  /** There is a connection for a relay of bytes, and nothing more to be learnt of the host. */
  onRelay(host: Host): void {
    if (this.config.splitExternalLocalOriginErrors) this.#localSuccess(host);
    else this.onResponse(host, 200);
  }

  /** No connection, none any more, or no answer in time; `status` is what the caller is answered. */
  onLocalFailure(host: Host, status: number): void {
    if (!this.config.splitExternalLocalOriginErrors) {
      this.onResponse(host, status);
      return;
    }
    const { page, first } = host.watched;
    (page[first + HOST_COUNTER.localTotal] as number)++;
    const inARow = ((page[first + HOST_COUNTER.consecutiveLocalOriginFailure] as number) += 1);
    if (!reaches(inARow, this.config.consecutiveLocalOriginFailure)) return;
    page[first + HOST_COUNTER.consecutiveLocalOriginFailure] = 0;
    this.#detect(
      host,
      'consecutive_local_origin_failure',
      this.config.enforcingConsecutiveLocalOriginFailure,
    );
  }

  /** An active health check went well: whatever requests met, the host is there. */
  onHealthCheckPassed(host: Host): void {
    if (!this.config.successfulActiveHealthCheckUnejectsHost) return;
    if (!host.hasFlag(HEALTH_FLAG.failedOutlierCheck)) return;
    this.#uneject(host);
    this.#options.onChange();
  }

  #localSuccess(host: Host): void {
    const { page, first } = host.watched;
    (page[first + HOST_COUNTER.localTotal] as number)++;
    (page[first + HOST_COUNTER.localSuccess] as number)++;
    page[first + HOST_COUNTER.consecutiveLocalOriginFailure] = 0;
  }

  #detect(host: Host, cause: EjectionCause, enforcing: number): void {
    const { hosts, shared, clusterName, log, onChange } = this.#options;
    // It left the cluster while requests to it were under way.
    if (hosts.get(host.addressText) !== host) return;
    // How many are ejected is looked at by one thread after the other.
    if (shared !== undefined) lock(shared.slot.ints);
    const isEjected = this.#ejectIfAllowed(host, cause, enforcing);
    if (shared !== undefined) unlock(shared.slot.ints);
    if (!isEjected) return;
    log.info('host ejected', () => ({ cluster: clusterName, host: host.addressText, cause }));
    onChange();
  }

  #ejectIfAllowed(host: Host, cause: EjectionCause, enforcing: number): boolean {
    if (host.hasFlag(HEALTH_FLAG.failedOutlierCheck)) return false;
    const { hosts, stats, random } = this.#options;
    stats.detected[cause].inc();
    const active = this.#countEjected();
    const { alwaysEjectOneHost, maxEjectionPercent } = this.config;
    const isWithin = (100 * (active + 1)) / hosts.size <= maxEjectionPercent;
    if (!isWithin && !(alwaysEjectOneHost && active === 0)) {
      stats.overflow.inc();
      return false;
    }
    if (random() * 100 >= enforcing) return false;
    this.#eject(host);
    stats.active.set(active + 1);
    stats.enforcedTotal.inc();
    stats.enforced[cause].inc();
    return true;
  }

  /** Another thread may have ejected some, or let them back. */
  refresh(): void {
    this.#options.stats.active.set(this.#countEjected());
  }

  #eject(host: Host): void {
    const { clock, random } = this.#options;
    const { baseEjectionTimeMs, maxEjectionTimeMs, maxEjectionTimeJitterMs } = this.config;
    const { page, first } = host.watched;
    const multiplier = page[first + HOST_COUNTER.ejectionMultiplier] as number;
    if (multiplier * baseEjectionTimeMs < maxEjectionTimeMs + baseEjectionTimeMs) {
      page[first + HOST_COUNTER.ejectionMultiplier] = multiplier + 1;
    }
    page[first + HOST_COUNTER.ejectedAtMs] = clock.monotonicMs();
    page[first + HOST_COUNTER.ejectionJitterMs] = Math.floor(random() * (maxEjectionTimeJitterMs + 1));
    host.setFlag(HEALTH_FLAG.failedOutlierCheck, true);
  }

  #uneject(host: Host): void {
    const { clock, clusterName, log, stats } = this.#options;
    host.setFlag(HEALTH_FLAG.failedOutlierCheck, false);
    host.startSlowly(clock.monotonicMs());
    const { page, first } = host.watched;
    // A few new failures must not be enough.
    page[first + HOST_COUNTER.consecutive5xx] = 0;
    page[first + HOST_COUNTER.consecutiveGatewayFailure] = 0;
    page[first + HOST_COUNTER.consecutiveLocalOriginFailure] = 0;
    stats.active.set(this.#countEjected());
    log.info('host back after ejection', () => ({ cluster: clusterName, host: host.addressText }));
  }

  #sweep(): void {
    const { hosts, clock, stats, onChange } = this.#options;
    const nowMs = clock.monotonicMs();
    const served: Host[] = [];
    for (const host of hosts.values()) {
      if (host.hasFlag(HEALTH_FLAG.failedOutlierCheck) && this.#isServed(host, nowMs)) served.push(host);
    }
    for (const host of served) this.#uneject(host);
    this.#external = this.#compareRates(EXTERNAL);
    this.#local = this.config.splitExternalLocalOriginErrors ? this.#compareRates(LOCAL) : NO_THRESHOLD;
    for (const host of hosts.values()) {
      // Whoever comes back now has not been well for an interval yet.
      if (host.hasFlag(HEALTH_FLAG.failedOutlierCheck) || served.includes(host)) continue;
      const { page, first } = host.watched;
      const multiplier = page[first + HOST_COUNTER.ejectionMultiplier] as number;
      if (multiplier > 0) page[first + HOST_COUNTER.ejectionMultiplier] = multiplier - 1;
    }
    // Members may have left while they were ejected.
    stats.active.set(this.#countEjected());
    if (served.length > 0) onChange();
  }

  #isServed(host: Host, nowMs: number): boolean {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.config;
    const ejectionMs = Math.min(
      baseEjectionTimeMs * host.watchedCounter(HOST_COUNTER.ejectionMultiplier),
      maxEjectionTimeMs,
    );
    const dueMs = ejectionMs + host.watchedCounter(HOST_COUNTER.ejectionJitterMs);
    return nowMs - host.watchedCounter(HOST_COUNTER.ejectedAtMs) >= dueMs;
  }

  /** Compares the hosts' rates of the interval that ends now, and lets the next one begin. */
  #compareRates(kind: typeof EXTERNAL | typeof LOCAL): SuccessRateThreshold {
    const { successRate, failurePercentage } = this.config;
    const { hosts } = this.#options;
    const isEnough = hosts.size >= Math.min(successRate.minimumHosts, failurePercentage.minimumHosts);
    const rated: (readonly [host: Host, rate: number])[] = [];
    const measured: (readonly [host: Host, rate: number])[] = [];
    for (const host of hosts.values()) {
      const { page, first } = host.watched;
      const total = page[first + kind.total] as number;
      const rate = (100 * (page[first + kind.success] as number)) / total;
      page[first + kind.total] = 0;
      page[first + kind.success] = 0;
      page[first + kind.rate] = 0;
      if (!isEnough || total === 0 || host.hasFlag(HEALTH_FLAG.failedOutlierCheck)) continue;
      if (total >= Math.min(successRate.requestVolume, failurePercentage.requestVolume)) {
        page[first + kind.rate] = rate + 1;
      }
      if (total >= successRate.requestVolume) rated.push([host, rate]);
      if (total >= failurePercentage.requestVolume) measured.push([host, rate]);
    }
    const isLocal = kind === LOCAL;
    let found = NO_THRESHOLD;
    if (rated.length > 0 && rated.length >= successRate.minimumHosts) {
      const rates = rated.map(([, rate]) => rate);
      found = successRateThreshold(rates, successRate.stdevFactor);
      const enforcing = isLocal ? successRate.enforcingLocalOrigin : successRate.enforcing;
      for (const [host, rate] of rated) {
        if (rate < found.threshold) this.#detect(host, kind.byRate, enforcing);
      }
    }
    if (measured.length > 0 && measured.length >= failurePercentage.minimumHosts) {
      const enforcing = isLocal ? failurePercentage.enforcingLocalOrigin : failurePercentage.enforcing;
      for (const [host, rate] of measured) {
        if (100 - rate >= failurePercentage.threshold) this.#detect(host, kind.byPercentage, enforcing);
      }
    }
    return found;
  }

  #countEjected(): number {
    let ejected = 0;
    for (const host of this.#options.hosts.values()) {
      if (host.hasFlag(HEALTH_FLAG.failedOutlierCheck)) ejected++;
    }
    return ejected;
  }
}

/** A threshold of 0 is never reached, as in Envoy. With several threads the number itself may have been passed over. */
function reaches(inARow: number, threshold: number): boolean {
  return threshold > 0 && inARow >= threshold;
}
