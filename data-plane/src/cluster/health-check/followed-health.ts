import { HEALTH_FLAG } from '../health-flag.js';
import { HOST_COUNTER } from '../host-counters.js';
import type { Host } from '../host.js';
import type { HealthCheckerOptions } from './health-checker.js';

/** The health of a cluster's hosts where another thread of the process asks them for it. */
export class FollowedHealth {
  readonly #options: Pick<HealthCheckerOptions, 'clusterName' | 'stats' | 'log' | 'onChange'>;
  #hosts: readonly Host[] = [];
  #onAllChecked: (() => void) | undefined = undefined;

  constructor(options: Pick<HealthCheckerOptions, 'clusterName' | 'stats' | 'log' | 'onChange'>) {
    this.#options = options;
  }

  /** The members from now on. */
  setHosts(hosts: Iterable<Host>): void {
    this.#hosts = [...hosts].filter(
      ({ healthCheck, shared }) => healthCheck?.disabled !== true && shared?.isAlone === false,
    );
    this.refresh();
  }

  /** Calls back once, when every host that is there has been checked; inside the call when that is so already. */
  whenChecked(callback: () => void): void {
    this.#onAllChecked = callback;
    this.refresh();
  }

  /** Something new is known. */
  refresh(): void {
    const callback = this.#onAllChecked;
    if (callback === undefined || this.#hosts.some(({ shared }) => shared?.isChecked === false)) return;
    this.#onAllChecked = undefined;
    callback();
  }

  /** An answer to a request told that its host wants no more of them. */
  onPassiveFailure(host: Host): void {
    const { clusterName, log, stats, onChange } = this.#options;
    stats.passiveFailure.inc();
    host.setFlag(HEALTH_FLAG.excludedViaImmediateHcFail, true);
    const { page, first } = host.watched;
    page[first + HOST_COUNTER.checksPassed] = 0;
    if (host.hasFlag(HEALTH_FLAG.failedActiveHc)) return;
    host.setFlag(HEALTH_FLAG.failedActiveHc, true);
    log.info('health check failed', () => ({
      cluster: clusterName,
      host: host.addressText,
      health: host.health,
      reason: 'an answer asked for it',
    }));
    onChange();
  }

  stop(): void {
    this.#hosts = [];
    this.#onAllChecked = undefined;
  }
}
