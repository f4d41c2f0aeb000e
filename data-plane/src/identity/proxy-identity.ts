import {
  WorkloadIdentity,
  type WorkloadIdentityOptions,
  type WorkloadIdentityState,
} from '@heddle/certs/client';
import { RENEWAL_ALARMS } from '@heddle/certs/workload';
import type { Clock, Logger, Random } from '@heddle/common';
import type { IdentityConfig } from '../bootstrap/identity-config.js';
import type { Counter, Gauge, StatsStore } from '../stats/stats-store.js';
import { InProcessSecrets } from '../tls/in-process-secrets.js';

export interface ProxyIdentityOptions {
  readonly config: IdentityConfig;
  /** By which heddled names this proxy. */
  readonly nodeId: string;
  /** What the process before this one left, and where to leave the same for the one after it. */
  readonly inherited?: string | undefined;
  readonly bequeath?: WorkloadIdentityOptions['bequeath'];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
}

/**
 * The identity of the workload beside this proxy: its certificate and the roots of the mesh, as the secrets `default` and
 * `ROOTCA` in this process, as what the control plane's channel is made with, and as metrics.
 */
export class ProxyIdentity {
  readonly secrets = new InProcessSecrets();
  readonly #identity: WorkloadIdentity;
  readonly #stats: IdentityStats;

  /** Errors: TrustBundleError where the roots cannot be read. */
  constructor(options: ProxyIdentityOptions) {
    const { config, stats, ...rest } = options;
    this.#identity = new WorkloadIdentity({ ...config, ...rest });
    this.#stats = new IdentityStats(stats);
    const { trust, certificate: inherited } = this.#identity;
    if (inherited !== undefined) this.secrets.setWorkloadCertificate(inherited);
    this.secrets.setWorkloadTrust(trust);
    trust.onChange(() => this.secrets.setWorkloadTrust(trust));
    this.#identity.onCertificate((certificate) => this.secrets.setWorkloadCertificate(certificate));
  }

  /** For a channel to the control plane. Errors: JoinTokenError, PrivateFileError where the token is needed. */
  security(): ReturnType<WorkloadIdentity['security']> {
    return this.#identity.security();
  }

  noteRefusal(): void {
    this.#identity.noteRefusal();
  }

  start(): void {
    this.#identity.start();
  }

  stop(): Promise<void> {
    return this.#identity.stop();
  }

  /** Asks for another certificate now. */
  renewNow(): void {
    this.#identity.renewNow();
  }

  /** Resolves when there is a certificate or the first attempt has failed, and `timeoutMs` later at the latest. */
  settled(timeoutMs: number): Promise<void> {
    return this.#identity.settled(timeoutMs);
  }

  /** Calls back with every later certificate. */
  onCertificate(listener: () => void): void {
    this.#identity.onCertificate(listener);
  }

  /** Calls back once, when there is a certificate; at once when there is one. */
  whenCertified(callback: () => void): void {
    if (this.#identity.certificate !== undefined) {
      callback();
      return;
    }
    const stop = this.#identity.onCertificate(() => {
      stop();
      callback();
    });
  }

  get state(): WorkloadIdentityState {
    return this.#identity.state;
  }

  /** Brings the metrics up to date, when somebody looks. */
  refreshStats(): void {
    this.#stats.refresh(this.#identity.state);
  }
}

/** Metrics of an identity: `identity.…`, times in seconds since the epoch. */
class IdentityStats {
  readonly #certificateExpiry: Gauge;
  readonly #rootExpiry: Gauge;
  readonly #roots: Gauge;
  readonly #alarm: Gauge;
  readonly #consecutiveFailures: Gauge;
  readonly #connected: Gauge;
  readonly #issued: Counter;
  readonly #failures: Counter;
  /** What was counted so far, for counters may be set back. */
  #seen = { issued: 0, failures: 0 };

  constructor(stats: StatsStore) {
    this.#certificateExpiry = stats.gauge('identity.certificate_expiration_unix_time_seconds');
    this.#rootExpiry = stats.gauge('identity.root_expiration_unix_time_seconds');
    this.#roots = stats.gauge('identity.roots');
    this.#alarm = stats.gauge('identity.renewal_alarm');
    this.#consecutiveFailures = stats.gauge('identity.renewal_consecutive_failures');
    this.#connected = stats.gauge('identity.root_updates_connected');
    this.#issued = stats.counter('identity.certificates_issued');
    this.#failures = stats.counter('identity.renewal_failures');
  }

  refresh(state: WorkloadIdentityState): void {
    this.#certificateExpiry.set(Math.floor((state.certificate?.notAfterMs ?? 0) / 1000));
    this.#rootExpiry.set(Math.floor(Math.min(...state.roots.map(({ notAfterMs }) => notAfterMs)) / 1000));
    this.#roots.set(state.roots.length);
    this.#alarm.set(RENEWAL_ALARMS.indexOf(state.alarm));
    this.#consecutiveFailures.set(state.consecutiveFailures);
    this.#connected.set(state.hearsOfRoots ? 1 : 0);
    this.#issued.add(state.issued - this.#seen.issued);
    this.#failures.add(state.failures - this.#seen.failures);
    this.#seen = { issued: state.issued, failures: state.failures };
  }
}
