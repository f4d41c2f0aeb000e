/** Requests a second: as many digits as tell something. */
export function rateText(perSecond: number): string {
  if (perSecond === 0) return '0/s';
  if (perSecond < 0.1) return '<0.1/s';
  if (perSecond < 10) return `${perSecond.toFixed(1)}/s`;
  if (perSecond < 10_000) return `${Math.round(perSecond)}/s`;
  return `${(perSecond / 1000).toFixed(1)}k/s`;
}

/** A share of successes. Only what is whole is called 100 %. */
export function percentText(ratio: number | null): string {
  if (ratio === null) return '–';
  if (ratio === 1) return '100 %';
  const percent = Math.floor(ratio * 1000) / 10;
  return percent >= 99 || percent < 10 ? `${percent.toFixed(1)} %` : `${Math.floor(percent)} %`;
}

/** A duration. Units: ms. */
export function durationText(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

export function countText(count: number): string {
  return Math.round(count).toLocaleString('en').replaceAll(',', ' ');
}

export function bytesText(perSecond: number): string {
  if (perSecond < 1_000) return `${Math.round(perSecond)} B/s`;
  if (perSecond < 1_000_000) return `${(perSecond / 1_000).toFixed(1)} kB/s`;
  return `${(perSecond / 1_000_000).toFixed(1)} MB/s`;
}

/** How long ago, in words. */
export function agoText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** What fits into so many characters, with a sign where something was cut off. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** `1 error`, `2 errors`. */
export function quantity(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}
