import type { Random } from '@heddle/common';

/** From all well to nobody trusts us. */
export const RENEWAL_ALARMS = ['none', 'notice', 'warning', 'critical', 'expired'] as const;
export type RenewalAlarm = (typeof RENEWAL_ALARMS)[number];

/** When a certificate is renewed, as shares of the time that it had left when it came. */
export interface RenewalWindow {
  /** Latest. Default 0.5. */
  readonly latestRatio: number;
  /** How much earlier at most, drawn for each certificate. Default 0.1. */
  readonly jitterRatio: number;
}

/**
 * How long after its arrival a certificate is renewed: before half of its time has passed, and not at the same moment
 * as those of all other workloads that started together.
 *
 * Units: milliseconds.
 */
export function renewalDelayMs(lifetimeMs: number, window: RenewalWindow, random: Random): number {
  return Math.max(0, lifetimeMs * (window.latestRatio - random() * window.jitterRatio));
}

/**
 * How loud a failing renewal is: it grows while the time that is left shrinks.
 *
 * Shape: `remainingRatio` is what is left of the certificate's time, 0 to 1, and undefined before the first one, when
 * nobody can be talked to at all.
 */
export function renewalAlarm(failures: number, remainingRatio: number | undefined): RenewalAlarm {
  if (remainingRatio === undefined) return failures === 0 ? 'none' : 'critical';
  if (remainingRatio <= 0) return 'expired';
  if (failures === 0) return 'none';
  if (remainingRatio <= 0.1) return 'critical';
  return remainingRatio <= 0.25 ? 'warning' : 'notice';
}
