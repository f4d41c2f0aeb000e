import {
  Backoff,
  describeError,
  silentLogger,
  type Clock,
  type Logger,
  type Random,
  type Timer,
} from '@heddle/common';
import { CertificateChainError } from '../errors.js';
import type { SpiffeId } from '../spiffe-id.js';
import { ChangeListeners } from './change-listeners.js';
import { createCertificateRequest } from './create-certificate-request.js';
import { renewalAlarm, renewalDelayMs, type RenewalAlarm, type RenewalWindow } from './renewal-schedule.js';
import type { TrustBundle } from './trust-bundle.js';
import { acceptCertificate, type WorkloadCertificate } from './workload-certificate.js';
import { generateWorkloadKeyPair, type WorkloadKeyPair } from './workload-key-pair.js';

/** Asks an authority to sign: a request in PEM goes out, a chain in PEM comes back, the leaf first. */
export type SignCertificateRequest = (csrPem: string, signal: AbortSignal) => Promise<string>;

export interface CertificateRotatorOptions {
  readonly spiffeId: SpiffeId;
  readonly sign: SignCertificateRequest;
  readonly clock: Clock;
  readonly random: Random;
  /** The chain has to end in one of its roots. */
  readonly trustBundle?: TrustBundle;
  readonly logger?: Logger;
  readonly window?: Partial<RenewalWindow>;
  /** Between attempts: full jitter. Default from 1 s up to 60 s, never longer than an eighth of the time left, nor than 15 s where none is. */
  readonly retry?: { readonly baseMs?: number; readonly maxMs?: number; readonly minMs?: number };
  /** How long one attempt may take. Default 10 s. */
  readonly signTimeoutMs?: number;
  /** How often the wall clock is looked at, for it jumps when a machine wakes. Default 30 s. */
  readonly clockCheckMs?: number;
  /** For tests that need a certain key. */
  readonly generateKeyPair?: () => WorkloadKeyPair;
}

/** What an admin page and metrics show of a rotation. Times are milliseconds since the epoch. */
export interface CertificateRotationState {
  readonly spiffeId: string;
  readonly phase: 'stopped' | 'waiting' | 'signing' | 'retrying';
  readonly alarm: RenewalAlarm;
  /** Undefined before the first certificate. */
  readonly certificate:
    | {
        readonly serialHex: string;
        readonly notBeforeMs: number;
        readonly notAfterMs: number;
        readonly renewAtMs: number;
      }
    | undefined;
  /** Certificates that were taken into use. */
  readonly issued: number;
  readonly attempts: number;
  readonly failures: number;
  readonly consecutiveFailures: number;
  readonly lastError: string | undefined;
}

/** The longest pause while there is no certificate that anybody would take. */
const WITHOUT_CERTIFICATE_MAX_MS = 15_000;

/** What is known of the certificate in use, beside itself. */
interface InUse {
  readonly certificate: WorkloadCertificate;
  readonly arrivedAtMs: number;
  readonly renewAtMs: number;
  readonly renewAtMonotonicMs: number;
}

/**
 * Keeps a workload's certificate fresh.
 *
 * Each renewal makes a new key, so a key is as short-lived as its certificate, and neither replaces the old pair before
 * both are there and checked: until then, and for as long as renewals fail, `current` stays what it was.
 * Errors: none are thrown after construction; a failure is logged, counted and tried again, without end.
 */
export class CertificateRotator {
  readonly #options: CertificateRotatorOptions;
  readonly #window: RenewalWindow;
  readonly #backoff: Backoff;
  readonly #retryMinMs: number;
  readonly #logger: Logger;
  readonly #listeners = new ChangeListeners<WorkloadCertificate>();
  readonly #failureListeners = new ChangeListeners<CertificateRotationState>();
  #inUse: InUse | undefined;
  #phase: CertificateRotationState['phase'] = 'stopped';
  #timer: Timer | undefined;
  #attempt: { readonly abort: AbortController; readonly timeout: Timer } | undefined;
  #renewAgain = false;
  #issued = 0;
  #attempts = 0;
  #failures = 0;
  #consecutiveFailures = 0;
  #lastError: string | undefined;

  /** Errors: RangeError where the options contradict each other. */
  constructor(options: CertificateRotatorOptions) {
    const { latestRatio = 0.5, jitterRatio = 0.1 } = options.window ?? {};
    if (!(latestRatio > 0 && latestRatio < 1 && jitterRatio >= 0 && jitterRatio < latestRatio)) {
      throw new RangeError('a renewal window needs 0 <= jitterRatio < latestRatio < 1');
    }
    const { baseMs = 1_000, maxMs = 60_000, minMs = 100 } = options.retry ?? {};
    this.#options = options;
    this.#window = { latestRatio, jitterRatio };
    this.#retryMinMs = minMs;
    this.#backoff = new Backoff({ baseMs, maxMs, minMs, random: options.random });
    this.#logger = options.logger ?? silentLogger;
  }

  /** The certificate in use: the newest that came, also when it has expired; undefined before the first. */
  get current(): WorkloadCertificate | undefined {
    return this.#inUse?.certificate;
  }

  /** When `current` came, in milliseconds since the epoch. */
  get arrivedAtMs(): number | undefined {
    return this.#inUse?.arrivedAtMs;
  }

  /**
   * Takes a certificate into use that another process of this workload got at `arrivedAtMs`, before `start`. It is renewed
   * by its age as any other, and at once where its moment has passed.
   */
  inherit(certificate: WorkloadCertificate, arrivedAtMs: number): void {
    const { clock } = this.#options;
    this.#use(certificate, Math.min(arrivedAtMs, clock.nowMs()));
  }

  /** Begins with the first request, or with the wait for the next where there is a certificate already. */
  start(): void {
    if (this.#phase !== 'stopped') return;
    this.#phase = 'waiting';
    if (this.#inUse === undefined) this.#request();
    else this.#wait();
  }

  /** Ends timers and the request under way. `current` stays; `start` goes on. */
  stop(): void {
    this.#phase = 'stopped';
    this.#renewAgain = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endAttempt();
  }

  /**
   * Renews now, whatever the schedule says: the roots changed, or somebody asked.
   *
   * Shape: one that is already under way may be answered from before the change, so another follows it.
   */
  renewNow(): void {
    if (this.#phase === 'stopped') return;
    if (this.#phase === 'signing') {
      this.#renewAgain = true;
      return;
    }
    this.#request();
  }

  /** Calls back with every later certificate, until the function that is returned is called. */
  onChange(listener: (certificate: WorkloadCertificate) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Calls back after every attempt that failed, until the function that is returned is called. */
  onFailure(listener: (state: CertificateRotationState) => void): () => void {
    return this.#failureListeners.add(listener);
  }

  get state(): CertificateRotationState {
    const inUse = this.#inUse;
    return {
      spiffeId: this.#options.spiffeId.uri,
      phase: this.#phase,
      alarm: this.#alarm(),
      certificate:
        inUse === undefined
          ? undefined
          : {
              serialHex: inUse.certificate.serialHex,
              notBeforeMs: inUse.certificate.notBeforeMs,
              notAfterMs: inUse.certificate.notAfterMs,
              renewAtMs: inUse.renewAtMs,
            },
      issued: this.#issued,
      attempts: this.#attempts,
      failures: this.#failures,
      consecutiveFailures: this.#consecutiveFailures,
      lastError: this.#lastError,
    };
  }

  #alarm(): RenewalAlarm {
    return renewalAlarm(this.#consecutiveFailures, this.#remainingRatio());
  }

  #remainingRatio(): number | undefined {
    if (this.#inUse === undefined) return undefined;
    const { certificate, arrivedAtMs } = this.#inUse;
    return (certificate.notAfterMs - this.#options.clock.nowMs()) / (certificate.notAfterMs - arrivedAtMs);
  }

  #wait(): void {
    const { clock, clockCheckMs = 30_000 } = this.#options;
    const inUse = this.#inUse as InUse;
    this.#phase = 'waiting';
    // Either clock may say that it is time: the monotonic one stands still while a machine sleeps, the other one jumps.
    const leftMs = Math.min(inUse.renewAtMs - clock.nowMs(), inUse.renewAtMonotonicMs - clock.monotonicMs());
    if (leftMs <= 0) {
      this.#request();
      return;
    }
    this.#setTimer(Math.min(leftMs, clockCheckMs), () => this.#wait());
  }

  #setTimer(delayMs: number, callback: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(delayMs, callback);
  }

  #request(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#phase = 'signing';
    this.#renewAgain = false;
    this.#attempts++;
    const { clock, signTimeoutMs = 10_000 } = this.#options;
    const abort = new AbortController();
    const timeout = clock.setTimer(signTimeoutMs, () => {
      const error = new CertificateChainError(`no answer to the request within ${signTimeoutMs} ms`);
      this.#finish(attempt, () => this.#failed(error));
      abort.abort(error);
    });
    const attempt = { abort, timeout };
    this.#attempt = attempt;
    this.#sign(abort.signal).then(
      (certificate) => this.#finish(attempt, () => this.#succeeded(certificate)),
      (error: unknown) => this.#finish(attempt, () => this.#failed(error)),
    );
  }

  async #sign(signal: AbortSignal): Promise<WorkloadCertificate> {
    const { spiffeId, sign, clock, trustBundle, generateKeyPair = generateWorkloadKeyPair } = this.#options;
    const keyPair = generateKeyPair();
    const chainPem = await sign(createCertificateRequest(keyPair, spiffeId), signal);
    return acceptCertificate({
      keyPair,
      spiffeId,
      chainPem,
      nowMs: clock.nowMs(),
      ...(trustBundle === undefined ? {} : { trustBundle }),
    });
  }

  /** Only the attempt under way may end: an answer after its timeout, or after a stop, is too late. */
  #finish(attempt: unknown, outcome: () => void): void {
    if (this.#attempt !== attempt) return;
    this.#attempt?.timeout.cancel();
    this.#attempt = undefined;
    outcome();
  }

  #endAttempt(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.timeout.cancel();
    attempt?.abort.abort();
  }

  #succeeded(certificate: WorkloadCertificate): void {
    const { renewAtMs } = this.#use(certificate, this.#options.clock.nowMs());
    this.#issued++;
    this.#consecutiveFailures = 0;
    this.#lastError = undefined;
    this.#backoff.reset();
    this.#logger.info('certificate issued', () => ({
      spiffeId: certificate.spiffeId.uri,
      serial: certificate.serialHex,
      notAfter: new Date(certificate.notAfterMs).toISOString(),
      renewAt: new Date(renewAtMs).toISOString(),
    }));
    const again = this.#renewAgain;
    this.#phase = 'waiting';
    this.#listeners.notify(certificate, (error) => {
      this.#logger.error('a listener to certificate changes failed', { error: describeError(error) });
    });
    // A listener may have stopped this, or asked for another renewal.
    if (this.#phase !== 'waiting') return;
    if (again) this.#request();
    else this.#wait();
  }

  #use(certificate: WorkloadCertificate, arrivedAtMs: number): InUse {
    const { clock, random } = this.#options;
    const renewAtMs =
      arrivedAtMs + renewalDelayMs(certificate.notAfterMs - arrivedAtMs, this.#window, random);
    this.#inUse = {
      certificate,
      arrivedAtMs,
      renewAtMs,
      renewAtMonotonicMs: clock.monotonicMs() + renewAtMs - clock.nowMs(),
    };
    return this.#inUse;
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#consecutiveFailures++;
    this.#lastError = describeError(error).slice(0, 1024);
    this.#phase = 'retrying';
    const delayMs = this.#retryDelayMs();
    const alarm = this.#alarm();
    const fields = {
      spiffeId: this.#options.spiffeId.uri,
      error: this.#lastError,
      alarm,
      consecutiveFailures: this.#consecutiveFailures,
      retryInMs: Math.round(delayMs),
    };
    if (alarm === 'critical' || alarm === 'expired') this.#logger.error('certificate renewal failed', fields);
    else this.#logger.warn('certificate renewal failed', fields);
    this.#setTimer(delayMs, () => this.#request());
    this.#failureListeners.notify(this.state, (thrown) => {
      this.#logger.error('a listener to failed renewals failed', { error: describeError(thrown) });
    });
  }

  #retryDelayMs(): number {
    const drawnMs = this.#backoff.nextDelayMs();
    const leftMs = (this.#inUse?.certificate.notAfterMs ?? 0) - this.#options.clock.nowMs();
    // While there is a certificate to save, several attempts must fit into what is left of it; without one nothing works.
    return leftMs > 0
      ? Math.max(this.#retryMinMs, Math.min(drawnMs, leftMs / 8))
      : Math.min(drawnMs, WITHOUT_CERTIFICATE_MAX_MS);
  }
}
