import type { envoy, google } from '@heddle/xds-protos';
import type { Findings } from './findings.js';

/** The longest that protobuf allows, and far more than a timer can wait. */
const MOST_MS = 315_576_000_000_000;

/** A duration in ms, `unset` when it is not there. A part of a millisecond counts as a whole one. */
export function durationMs<T>(
  duration: google.protobuf.Duration | null,
  unset: T,
  path: string,
  findings: Findings,
): number | T {
  if (duration === null) return unset;
  const ms = duration.seconds * 1000 + duration.nanos / 1e6;
  if (ms < 0) findings.problem(path, `must not be negative (is ${ms} ms)`);
  else if (ms > MOST_MS) findings.problem(path, 'is longer than 10,000 years');
  return Math.ceil(ms);
}

/** A duration that must be more than zero when it is set. */
export function positiveDurationMs(
  duration: google.protobuf.Duration | null,
  unset: number,
  path: string,
  findings: Findings,
): number {
  const ms = durationMs(duration, unset, path, findings);
  if (ms === 0) findings.problem(path, 'must be more than zero');
  return ms;
}

/** The number in a wrapper, `unset` when it is not there; a problem when it is outside `least`…`most`. */
export function wrappedNumber(
  wrapper: { readonly value: number } | null,
  unset: number,
  path: string,
  findings: Findings,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (wrapper === null) return unset;
  if (wrapper.value < least) findings.problem(path, `must be at least ${least} (is ${wrapper.value})`);
  if (wrapper.value > most) findings.problem(path, `must be at most ${most} (is ${wrapper.value})`);
  return wrapper.value;
}

const DENOMINATORS = [100, 10_000, 1_000_000];

/** A share 0..1; more than the whole is the whole, as in Envoy. */
export function fractionRatio(
  fraction: envoy.type.v3.FractionalPercent | null,
  unset: number,
  path: string,
  findings: Findings,
): number {
  if (fraction === null) return unset;
  const denominator = DENOMINATORS[fraction.denominator];
  if (denominator === undefined) {
    findings.problem(`${path}.denominator`, `unknown value ${fraction.denominator}`);
    return unset;
  }
  return Math.min(1, fraction.numerator / denominator);
}

/** A `Struct` as plain JSON. */
export function structToJson(struct: google.protobuf.Struct): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(struct.fields)) object[name] = valueToJson(value);
  return object;
}

function valueToJson(value: google.protobuf.Value): unknown {
  switch (value.kind) {
    case 'numberValue':
      return value.numberValue;
    case 'stringValue':
      return value.stringValue;
    case 'boolValue':
      return value.boolValue;
    case 'structValue':
      return value.structValue === null ? null : structToJson(value.structValue);
    case 'listValue':
      return value.listValue === null ? null : value.listValue.values.map(valueToJson);
    default:
      return null;
  }
}

/** The value of a required name: a problem when it is empty. */
export function requiredText(value: string, path: string, findings: Findings): string {
  if (value === '') findings.problem(path, 'must not be empty');
  return value;
}

/** The name for an enum's number, a problem and the first name when there is none. */
export function enumName<T extends string>(
  names: readonly T[],
  value: number,
  path: string,
  findings: Findings,
): T {
  const name = names[value];
  if (name === undefined) findings.problem(path, `unknown value ${value}`);
  return name ?? (names[0] as T);
}

/** Freezes an object and everything plain in it. Class instances (compiled expressions, maps, sets) stay as they are. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
  return value;
}
