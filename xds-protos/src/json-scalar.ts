import type { FieldKind } from './descriptors.js';
import { shown } from './json-problem.js';

/** A scalar that was read, or why it could not be. */
export interface ScalarResult {
  readonly value?: number | string | boolean | Uint8Array;
  readonly problem?: string;
}

const numberPattern = /^[+-]?(?:\d*\.\d+|\d+\.?)(?:[eE][+-]?\d+)?$/;
const base64Pattern = /^[A-Za-z0-9+/_-]*={0,2}$/;
const largestFloat = 3.4028234663852886e38;
const integerRanges = {
  i: { name: 'int32', least: -2147483648, most: 2147483647 },
  u: { name: 'uint32', least: 0, most: 4294967295 },
  I: { name: 'int64 that a number can hold', least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER },
  U: { name: 'uint64 that a number can hold', least: 0, most: Number.MAX_SAFE_INTEGER },
} as const;

function expected(what: string, json: unknown): ScalarResult {
  return { problem: `expected ${what}, found ${shown(json)}` };
}

/** The number that JSON holds, also as a string, in which 64-bit integers come. */
function numberOf(json: unknown): number | undefined {
  if (typeof json === 'number') return json;
  return typeof json === 'string' && numberPattern.test(json) ? Number(json) : undefined;
}

function parseInteger(kind: keyof typeof integerRanges, json: unknown): ScalarResult {
  const number = numberOf(json);
  if (number === undefined || !Number.isInteger(number)) return expected('an integer', json);
  const { name, least, most } = integerRanges[kind];
  if (number < least || number > most)
    return { problem: `${String(json)} is not an ${name}: ${least} to ${most}` };
  return { value: number === 0 ? 0 : number };
}

function parseFloating(kind: 'd' | 'f', json: unknown): ScalarResult {
  if (json === 'NaN') return { value: NaN };
  if (json === 'Infinity' || json === '-Infinity') return { value: Number(json) };
  const number = numberOf(json);
  if (number === undefined || !Number.isFinite(number)) return expected('a number', json);
  if (kind === 'f' && Math.abs(number) > largestFloat) return { problem: `${number} is beyond a float` };
  return { value: number };
}

function parseBytes(json: unknown): ScalarResult {
  if (typeof json !== 'string') return expected('a base64 string', json);
  const digits = json.replace(/=+$/, '');
  if (!base64Pattern.test(json) || digits.length % 4 === 1) return expected('base64', json);
  return { value: Buffer.from(digits, 'base64') };
}

/** Reads a scalar field's value, with the leniency that ProtoJSON asks for: numbers may come as strings. */
export function parseScalar(kind: Exclude<FieldKind, 'e' | 'm' | 'x'>, json: unknown): ScalarResult {
  switch (kind) {
    case 'd':
    case 'f':
      return parseFloating(kind, json);
    case 'i':
    case 'u':
    case 'I':
    case 'U':
      return parseInteger(kind, json);
    case 't':
      return typeof json === 'boolean' ? { value: json } : expected('true or false', json);
    case 's':
      if (typeof json !== 'string') return expected('a string', json);
      return /\p{Surrogate}/u.test(json) ? { problem: 'not well-formed Unicode' } : { value: json };
    case 'b':
      return parseBytes(json);
  }
}
