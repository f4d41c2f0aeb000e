/**
 * The texts that ProtoJSON gives some well-known types.
 *
 * Source: the JSON mapping of protobuf's duration.proto, timestamp.proto and field_mask.proto.
 * Errors: a parser returns the reason as a string; a formatter always gives a text, also for values out of range.
 */

/** Seconds and the rest in nanoseconds, as in google.protobuf.Duration and Timestamp. */
export interface SecondsAndNanos {
  readonly seconds: number;
  readonly nanos: number;
}

const mostDurationSeconds = 315_576_000_000;
const earliestSeconds = -62_135_596_800;
const latestSeconds = 253_402_300_799;
const durationPattern = /^(-)?(\d+)(?:\.(\d{1,9}))?s$/;
const timestampPattern =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

function fractionNanos(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.padEnd(9, '0'));
}

/** The digits behind the point: none, or 3, 6 or 9 of them. */
function nanosText(nanos: number): string {
  if (nanos === 0) return '';
  return `.${String(Math.abs(nanos))
    .padStart(9, '0')
    .replace(/(?:000){1,2}$/, '')}`;
}

export function parseDuration(text: string): SecondsAndNanos | string {
  const match = durationPattern.exec(text);
  if (match === null) return 'expected a duration in seconds with the unit s, such as 1.5s';
  const seconds = Number(match[2]);
  if (seconds > mostDurationSeconds) return `a duration is at most ${mostDurationSeconds}s`;
  const nanos = fractionNanos(match[3]);
  // `0 -` and not a minus sign, which would make a negative zero.
  return match[1] === undefined ? { seconds, nanos } : { seconds: 0 - seconds, nanos: 0 - nanos };
}

export function formatDuration({ seconds, nanos }: SecondsAndNanos): string {
  return `${seconds < 0 || nanos < 0 ? '-' : ''}${Math.abs(seconds)}${nanosText(nanos)}s`;
}

export function parseTimestamp(text: string): SecondsAndNanos | string {
  const match = timestampPattern.exec(text);
  if (match === null) return 'expected a time such as 2026-01-31T12:00:00Z';
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (year === 0 || date.getUTCDate() !== day) return 'there is no such day';
  date.setUTCHours(hour, minute, second);
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  const seconds = date.getTime() / 1000 - (match[8] === '-' ? -60 : 60) * offsetMinutes;
  if (seconds < earliestSeconds || seconds > latestSeconds) return 'a time is between the years 1 and 9999';
  return { seconds, nanos: fractionNanos(match[7]) };
}

export function formatTimestamp({ seconds, nanos }: SecondsAndNanos): string {
  if (seconds < earliestSeconds || seconds > latestSeconds) return `out of range: ${seconds}s`;
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, `${nanosText(nanos)}Z`);
}

export function parseFieldMask(text: string): string[] | string {
  if (text.includes('_')) return 'the paths of a field mask are in lowerCamelCase';
  if (text === '') return [];
  return text.split(',').map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

export function formatFieldMask(paths: readonly string[]): string {
  return paths
    .map((path) => path.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()))
    .join(',');
}
