import type { envoy, google } from '@heddle/xds-protos';
import type { Translated } from '../config/problem.js';
import type { RuntimeValue, RuntimeValues } from '../config/runtime-config.js';
import { Findings, join } from './findings.js';
import { structToJson } from './proto-values.js';

/** More keys than anybody sets, and few enough to keep. */
const MAX_KEYS = 10_000;
const MAX_DEPTH = 32;
const DENOMINATORS = new Map<unknown, number>([
  ['HUNDRED', 100],
  ['TEN_THOUSAND', 10_000],
  ['MILLION', 1_000_000],
  [undefined, 100],
  [0, 100],
  [1, 10_000],
  [2, 1_000_000],
]);

/** A layer of runtime settings that was fetched. */
export interface RuntimeResourceConfig {
  readonly name: string;
  readonly values: RuntimeValues;
}

/** Translates a fetched layer. Source: envoy.service.runtime.v3.Runtime. */
export function translateRuntime(
  runtime: envoy.service.runtime.v3.Runtime,
): Translated<RuntimeResourceConfig> {
  const findings = new Findings();
  findings.unknownFields(runtime, '');
  if (runtime.name === '') findings.problem('name', 'must not be empty');
  return findings.finish({
    name: runtime.name,
    values: translateRuntimeValues(runtime.layer, 'layer', findings),
  });
}

/** Translates the layer of a bootstrap. Source: envoy.config.bootstrap.v3.RuntimeLayer.static_layer. */
export function translateRuntimeLayer(layer: google.protobuf.Struct): Translated<RuntimeValues> {
  const findings = new Findings();
  return findings.finish(translateRuntimeValues(layer, '', findings));
}

/** Settings that are nested or whose keys have dots, as one list. */
function translateRuntimeValues(
  layer: google.protobuf.Struct | null,
  path: string,
  findings: Findings,
): RuntimeValues {
  const values = new Map<string, RuntimeValue>();
  const walk = (value: unknown, key: string, depth: number): void => {
    const at = join(path, key);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const fraction = fractionOf(value as Readonly<Record<string, unknown>>);
      if (fraction !== undefined) values.set(key, fraction);
      else if (depth >= MAX_DEPTH) findings.problem(at, `is nested deeper than ${MAX_DEPTH} times`);
      else {
        for (const [name, inner] of Object.entries(value)) {
          walk(inner, key === '' ? name : `${key}.${name}`, depth + 1);
        }
      }
      return;
    }
    const known = runtimeValueOf(value);
    if (known === undefined) findings.problem(at, 'must be a number, a text, true or false, or a fraction');
    else values.set(key, known);
  };
  if (layer !== null) walk(structToJson(layer), '', 0);
  if (values.size > MAX_KEYS) findings.problem(path, `has ${values.size} keys, and ${MAX_KEYS} is the most`);
  return values;
}

/** A single setting, as a text or as JSON has it; undefined: it is none. */
export function runtimeValueOf(value: unknown): RuntimeValue | undefined {
  if (typeof value === 'boolean') return { text: String(value), number: undefined, ratio: value ? 1 : 0 };
  if (typeof value !== 'number' && typeof value !== 'string') return undefined;
  const text = String(value);
  if (text === 'true' || text === 'false') return runtimeValueOf(text === 'true');
  const number = text.trim() === '' ? NaN : Number(text);
  if (!Number.isFinite(number)) return { text, number: undefined, ratio: undefined };
  const isShare = Number.isInteger(number) && number >= 0;
  return { text, number, ratio: isShare ? Math.min(1, number / 100) : undefined };
}

/** Source: a FractionalPercent in its JSON form. */
function fractionOf({
  numerator,
  denominator,
  ...more
}: Readonly<Record<string, unknown>>): RuntimeValue | undefined {
  const most = DENOMINATORS.get(denominator);
  if (typeof numerator !== 'number' || most === undefined || Object.keys(more).length > 0) return undefined;
  const ratio = Math.min(1, Math.max(0, numerator) / most);
  const name = most === 100 ? 'HUNDRED' : most === 10_000 ? 'TEN_THOUSAND' : 'MILLION';
  return { text: `{"numerator":${numerator},"denominator":"${name}"}`, number: undefined, ratio };
}
