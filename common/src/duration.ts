const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Longer texts are no durations; the bound keeps the regular expression's work small. */
const LONGEST_TEXT = 64;

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y;

/**
 * Reads a duration as Go, Istio and Envoy write them: `250ms`, `1.5s`, `1h30m`, `-2s`; a bare `0` is zero.
 *
 * Units: the result is in milliseconds, with fractions.
 * Shape: undefined where the text is not a duration, so that the caller can name the place.
 */
export function parseDurationMs(text: string): number | undefined {
  if (text.length > LONGEST_TEXT) return undefined;
  const negative = text.startsWith('-');
  const start = negative || text.startsWith('+') ? 1 : 0;
  if (text.length === start) return undefined;
  if (text.slice(start) === '0') return 0;
  let totalMs = 0;
  PART.lastIndex = start;
  while (PART.lastIndex < text.length) {
    const match = PART.exec(text);
    if (match === null) return undefined;
    totalMs += Number(match[1]) * (UNIT_MS[match[2] as string] as number);
  }
  return negative && totalMs !== 0 ? -totalMs : totalMs;
}

/** Writes a duration for people: `250ms`, `1.5s`, `1m30s`, `2h`. `parseDurationMs` reads it back. */
export function formatDurationMs(durationMs: number): string {
  if (!Number.isFinite(durationMs)) throw new RangeError('a duration must be finite');
  if (durationMs < 0) return `-${formatDurationMs(-durationMs)}`;
  if (durationMs === 0) return '0s';
  if (durationMs < 1_000) return `${trimmed(durationMs)}ms`;
  const hours = Math.floor(durationMs / 3_600_000);
  const minutes = Math.floor((durationMs % 3_600_000) / 60_000);
  const seconds = (durationMs % 60_000) / 1_000;
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${trimmed(seconds)}s` : ''}`;
}

/** Writes a duration as ProtoJSON demands: seconds only, `0.250s`, with zero, three, six or nine decimals. */
export function formatProtoDurationMs(durationMs: number): string {
  if (!Number.isFinite(durationMs)) throw new RangeError('a duration must be finite');
  const [whole, fraction] = (Math.abs(durationMs) / 1_000).toFixed(9).split('.') as [string, string];
  const decimals = fraction.replace(/(?:000)+$/, '');
  const sign = durationMs < 0 && (whole !== '0' || decimals !== '') ? '-' : '';
  return `${sign}${whole}${decimals === '' ? '' : `.${decimals}`}s`;
}

/** At most nine decimals, without trailing zeros. */
function trimmed(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '');
}
