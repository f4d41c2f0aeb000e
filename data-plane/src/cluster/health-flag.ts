/** Why a host is not healthy, as bits; none set: it is. Source: Envoy's Host::HealthFlag, with the words of `/clusters`. */
export const HEALTH_FLAG = Object.freeze({
  failedActiveHc: 1,
  failedOutlierCheck: 2,
  failedEdsHealth: 4,
  degradedActiveHc: 8,
  degradedEdsHealth: 16,
  activeHcTimeout: 32,
  /** It asked by a header of an answer to be left out. */
  excludedViaImmediateHcFail: 64,
} as const);

const UNHEALTHY = HEALTH_FLAG.failedActiveHc | HEALTH_FLAG.failedOutlierCheck | HEALTH_FLAG.failedEdsHealth;
const DEGRADED = HEALTH_FLAG.degradedActiveHc | HEALTH_FLAG.degradedEdsHealth;

/** What each thread knows by itself, from what it was told of the endpoints. */
export const ENDPOINT_FLAGS = HEALTH_FLAG.failedEdsHealth | HEALTH_FLAG.degradedEdsHealth;

/** Those that active health checks set. */
export const CHECKED_FLAGS =
  HEALTH_FLAG.failedActiveHc |
  HEALTH_FLAG.degradedActiveHc |
  HEALTH_FLAG.activeHcTimeout |
  HEALTH_FLAG.excludedViaImmediateHcFail;

/** What the flags come to. */
export function healthOf(flags: number): 'healthy' | 'degraded' | 'unhealthy' {
  if ((flags & UNHEALTHY) !== 0) return 'unhealthy';
  return (flags & DEGRADED) !== 0 ? 'degraded' : 'healthy';
}

const WORDS: readonly (readonly [flag: number, word: string])[] = [
  [HEALTH_FLAG.failedActiveHc, '/failed_active_hc'],
  [HEALTH_FLAG.failedOutlierCheck, '/failed_outlier_check'],
  [HEALTH_FLAG.failedEdsHealth, '/failed_eds_health'],
  [HEALTH_FLAG.degradedActiveHc, '/degraded_active_hc'],
  [HEALTH_FLAG.degradedEdsHealth, '/degraded_eds_health'],
  [HEALTH_FLAG.excludedViaImmediateHcFail, '/excluded_via_immediate_hc_fail'],
  [HEALTH_FLAG.activeHcTimeout, '/active_hc_timeout'],
];

/** As `/clusters` prints them. */
export function healthFlagsText(flags: number): string {
  if (flags === 0) return 'healthy';
  return WORDS.map(([flag, word]) => ((flags & flag) !== 0 ? word : '')).join('');
}
