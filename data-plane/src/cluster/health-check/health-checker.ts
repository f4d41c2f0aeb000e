import type { Clock, Logger, Random } from '@heddle/common';
import type { AddressConfig, HealthCheckConfig } from '@heddle/engine';
import { HEALTH_FLAG } from '../health-flag.js';
import type { Host } from '../host.js';
import type { HealthCheckStats } from './health-check-stats.js';
import { HealthSession, type HealthSessionOwner } from './health-session.js';
import { HttpProbe } from './http-probe.js';
import type { Probe, ProbeConnection } from './probe.js';
import { TcpProbe } from './tcp-probe.js';

export interface HealthCheckerOptions {
  readonly config: HealthCheckConfig;
  readonly clusterName: string;
  readonly stats: HealthCheckStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Begins a connection to a host at this address. */
  readonly connect: (host: Host, address: AddressConfig) => ProbeConnection;
  /** Whether the cluster ever had a connection for a request. */
  readonly hasTraffic: () => boolean;
  /** Some host's health is another than before. */
  readonly onChange: () => void;
  readonly onPassed: (host: Host) => void;
  /** A host was asked for the first time, and other threads wait for that. */
  readonly onFirstResult: () => void;
}

/**
 * Asks every host of a cluster whether it serves, each at its own pace.
 *
 * Bounds: one check under way and one connection for each host.
 */
export class HealthChecker implements HealthSessionOwner {
  readonly options: HealthCheckerOptions;
  readonly #sessions = new Map<Host, HealthSession>();
  #onAllChecked: (() => void) | undefined = undefined;
  #isStopped = false;

  constructor(options: HealthCheckerOptions) {
    this.options = options;
  }

  /** The members from now on: new ones are asked at once, those that left no more. */
  setHosts(hosts: Iterable<Host>): void {
    if (this.#isStopped) return;
    const gone = new Set(this.#sessions.keys());
    const added: HealthSession[] = [];
    for (const host of hosts) {
      gone.delete(host);
      if (this.#sessions.has(host)) continue;
      if (host.healthCheck?.disabled === true) continue;
      const session = new HealthSession(this, host, this.#createProbe(host));
      this.#sessions.set(host, session);
      added.push(session);
    }
    for (const host of gone) {
      this.#sessions.get(host)?.close();
      this.#sessions.delete(host);
    }
    for (const session of added) session.start();
    this.#countHealth();
    this.#tellWhenChecked();
  }

  /** Calls back once, when every host that is there has been checked; inside the call when that is so already. */
  whenChecked(callback: () => void): void {
    this.#onAllChecked = callback;
    this.#tellWhenChecked();
  }

  /** An answer to a request told that its host wants no more of them. */
  onPassiveFailure(host: Host): void {
    this.#sessions.get(host)?.onPassiveFailure();
  }

  onResult(session: HealthSession, passed: boolean, changed: boolean): void {
    if (session.host.shared?.setChecked() === true) this.options.onFirstResult();
    if (passed && !session.host.hasFlag(HEALTH_FLAG.failedActiveHc)) this.options.onPassed(session.host);
    if (changed) {
      this.#countHealth();
      this.options.onChange();
    }
    this.#tellWhenChecked();
  }

  stop(): void {
    this.#isStopped = true;
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    this.#onAllChecked = undefined;
  }

  #createProbe(host: Host): Probe {
    const { config, clusterName, connect } = this.options;
    const address = checkAddress(host, config);
    const open = (): ProbeConnection => connect(host, address);
    const { probe, reuseConnection } = config;
    if (probe.kind === 'tcp') return new TcpProbe(probe, reuseConnection, open);
    const hostname = host.healthCheck?.hostname ?? '';
    const authority = hostname !== '' ? hostname : probe.host !== '' ? probe.host : clusterName;
    return new HttpProbe(probe, authority, reuseConnection, open);
  }

  #countHealth(): void {
    let healthy = 0;
    let degraded = 0;
    for (const { host } of this.#sessions.values()) {
      if (host.hasFlag(HEALTH_FLAG.failedActiveHc)) continue;
      healthy++;
      if (host.hasFlag(HEALTH_FLAG.degradedActiveHc)) degraded++;
    }
    this.options.stats.healthy.set(healthy);
    this.options.stats.degraded.set(degraded);
  }

  #tellWhenChecked(): void {
    const callback = this.#onAllChecked;
    if (callback === undefined) return;
    for (const session of this.#sessions.values()) if (!session.isChecked) return;
    this.#onAllChecked = undefined;
    callback();
  }
}

/** Where a host is asked. */
function checkAddress(host: Host, config: HealthCheckConfig): AddressConfig {
  const { address: own } = host;
  const { address = own, port = 0 } = host.healthCheck ?? {};
  const other = port !== 0 ? port : address === own ? config.altPort : 0;
  return address.kind === 'socket' && other !== 0 ? { ...address, port: other } : address;
}
