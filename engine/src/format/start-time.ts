const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

let cachedSecond = Number.NaN;
let cachedPrefix = '';
let cachedWhole = Number.NaN;
let cachedText = '';

/**
 * A wall-clock time as `2026-11-21T08:22:04.123Z`.
 *
 * Cost: the last time and the part up to the second are remembered, because consecutive log lines share them.
 */
export function formatIsoTime(timeMs: number): string {
  const whole = Math.floor(timeMs);
  if (whole === cachedWhole) return cachedText;
  const second = Math.floor(whole / 1000);
  if (second !== cachedSecond) {
    const date = new Date(second * 1000);
    // A time outside what Date can hold must not throw on the request path.
    cachedPrefix = Number.isNaN(date.getTime()) ? '1970-01-01T00:00:00' : date.toISOString().slice(0, -5);
    cachedSecond = second;
  }
  const ms = whole - second * 1000;
  cachedWhole = whole;
  cachedText =
    ms < 10 ? `${cachedPrefix}.00${ms}Z` : ms < 100 ? `${cachedPrefix}.0${ms}Z` : `${cachedPrefix}.${ms}Z`;
  return cachedText;
}

type TimePart = (date: Date) => string;

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

const CONVERSIONS: ReadonlyMap<string, TimePart> = new Map<string, TimePart>([
  ['Y', (date) => String(date.getUTCFullYear())],
  ['y', (date) => two(date.getUTCFullYear() % 100)],
  ['m', (date) => two(date.getUTCMonth() + 1)],
  ['d', (date) => two(date.getUTCDate())],
  ['e', (date) => String(date.getUTCDate()).padStart(2, ' ')],
  ['H', (date) => two(date.getUTCHours())],
  ['I', (date) => two(date.getUTCHours() % 12 || 12)],
  ['p', (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM')],
  ['M', (date) => two(date.getUTCMinutes())],
  ['S', (date) => two(date.getUTCSeconds())],
  ['a', (date) => (DAYS[date.getUTCDay()] as string).slice(0, 3)],
  ['A', (date) => DAYS[date.getUTCDay()] as string],
  ['b', (date) => (MONTHS[date.getUTCMonth()] as string).slice(0, 3)],
  ['B', (date) => MONTHS[date.getUTCMonth()] as string],
  ['F', (date) => date.toISOString().slice(0, 10)],
  ['T', (date) => date.toISOString().slice(11, 19)],
  ['R', (date) => date.toISOString().slice(11, 16)],
  [
    'D',
    (date) => `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${two(date.getUTCFullYear() % 100)}`,
  ],
  ['j', (date) => String(dayOfYear(date)).padStart(3, '0')],
  ['s', (date) => String(Math.floor(date.getTime() / 1000))],
  ['z', () => '+0000'],
  ['Z', () => 'UTC'],
  ['n', () => '\n'],
  ['t', () => '\t'],
  ['%', () => '%'],
]);

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

function fraction(date: Date, digits: number): string {
  return (String(date.getUTCMilliseconds()).padStart(3, '0') + '000000').slice(0, digits);
}

/**
 * Compiles the format of `%START_TIME(format)%`: strftime's conversions in UTC, and Envoy's `%1f`…`%9f`, `%f` and `%E3S`.
 *
 * Errors: returns a text naming the conversion that is not known.
 */
export function compileTimeFormat(
  format: string,
): { readonly format: (timeMs: number) => string } | { readonly problem: string } {
  const parts: (string | TimePart)[] = [];
  const pattern = /%(?:([1-9])f|E([1-9])S|(.?))/gs;
  let end = 0;
  for (const found of format.matchAll(pattern)) {
    parts.push(format.slice(end, found.index));
    end = found.index + found[0].length;
    const [, digits, subSecond, letter] = found;
    if (digits !== undefined) parts.push((date) => fraction(date, Number(digits)));
    else if (subSecond !== undefined)
      parts.push((date) => `${two(date.getUTCSeconds())}.${fraction(date, Number(subSecond))}`);
    else if (letter === 'f') parts.push((date) => fraction(date, 9));
    else {
      const conversion = CONVERSIONS.get(letter ?? '');
      if (conversion === undefined) return { problem: `unknown time conversion "${found[0]}"` };
      parts.push(conversion);
    }
  }
  parts.push(format.slice(end));
  return {
    format: (timeMs) => {
      const date = new Date(timeMs);
      if (Number.isNaN(date.getTime())) return '';
      let text = '';
      for (const part of parts) text += typeof part === 'string' ? part : part(date);
      return text;
    },
  };
}
