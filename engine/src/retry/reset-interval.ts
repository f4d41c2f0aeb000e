import type { ResetHeaderConfig } from '../config/route-config.js';
import type { HeaderMap } from '../http/header-map.js';

const DIGITS = /^\d{1,15}$/;

/**
 * How long an upstream asks to be left alone, by the first of the headers that says it within the bound; undefined when none
 * does.
 *
 * Source: envoy.config.route.v3.RetryPolicy.rate_limited_retry_back_off.
 * Units: ms.
 */
export function resetIntervalMs(
  resetHeaders: readonly ResetHeaderConfig[],
  maxMs: number,
  headers: HeaderMap,
  nowMs: number,
): number | undefined {
  for (const { name, format } of resetHeaders) {
    const text = headers.get(name)?.trim();
    if (text === undefined || !DIGITS.test(text)) continue;
    const ms = format === 'seconds' ? Number(text) * 1000 : Number(text) * 1000 - nowMs;
    if (ms > 0 && ms <= maxMs) return ms;
  }
  return undefined;
}
