/** Numbers from `first` to `last`, both included. */
export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** More entries than this in one list are refused: each costs a comparison for every new connection. */
export const MAX_LIST_ENTRIES = 256;

/**
 * Reads a list of numbers and ranges, `80,443,9000-9010`; an empty text is an empty list.
 *
 * Shape: sorted, overlaps joined, so that equal lists give equal rules.
 * Errors: appended to `problems`, each beginning with `name`.
 */
export function parseNumberRanges(
  name: string,
  text: string,
  bounds: NumberRange,
  problems: string[],
): readonly NumberRange[] {
  const ranges: NumberRange[] = [];
  for (const entry of listEntries(name, text, problems)) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(entry);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first < bounds.first || last > bounds.last) {
      const expected = `a number from ${bounds.first} to ${bounds.last}, or a range such as 8000-8010`;
      problems.push(`${name}: ${JSON.stringify(entry)} is not ${expected}`);
    } else if (first > last) {
      problems.push(`${name}: the range ${entry} ends before it begins`);
    } else {
      ranges.push({ first, last });
    }
  }
  ranges.sort((a, b) => a.first - b.first || a.last - b.last);
  const joined: NumberRange[] = [];
  for (const range of ranges) {
    const before = joined.at(-1);
    if (before !== undefined && range.first <= before.last + 1) {
      joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    } else {
      joined.push(range);
    }
  }
  return Object.freeze(joined.map((range) => Object.freeze(range)));
}

/** The parts of a comma-separated list; empty parts mean nothing. */
export function listEntries(name: string, text: string, problems: string[]): readonly string[] {
  const entries = text
    .split(',', MAX_LIST_ENTRIES * 4)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length <= MAX_LIST_ENTRIES) return entries;
  problems.push(`${name}: more than ${MAX_LIST_ENTRIES} entries`);
  return [];
}

/** Whether one of the ranges holds the number. */
export function rangesHold(ranges: readonly NumberRange[], number: number): boolean {
  return ranges.some((range) => range.first <= number && number <= range.last);
}

/** `80,443,9000-9010`, what parseNumberRanges reads; `separator` is `:` where iptables wants it. */
export function formatNumberRanges(ranges: readonly NumberRange[], separator = '-'): string {
  return ranges
    .map(({ first, last }) => (first === last ? String(first) : `${first}${separator}${last}`))
    .join(',');
}
