import { closestName } from '@heddle/common';
import type { FieldPath } from '../model/mesh-resource.js';
import type { ProblemWording } from '../model/source-problem.js';
import { formats } from './schema/formats.js';
import type { Schema } from './schema/schema-parts.js';

/** One thing that a value does wrong against its schema. */
export interface SchemaProblem extends ProblemWording {
  readonly path: FieldPath;
}

/** One resource may not fill the screen. */
const maxProblems = 50;
const maxDepth = 64;

/**
 * Holds a value against a schema of `schema/`.
 *
 * Shape: every problem, in the order of the document. Errors: none, whatever the value is.
 */
export function validateValue(
  schema: Schema,
  value: unknown,
  path: FieldPath = [],
): readonly SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  new Validation(problems).check(schema, value, path);
  return problems.slice(0, maxProblems);
}

class Validation {
  readonly #problems: SchemaProblem[];

  constructor(problems: SchemaProblem[]) {
    this.#problems = problems;
  }

  check(schema: Schema, value: unknown, path: FieldPath): void {
    if (this.#problems.length >= maxProblems) return;
    if (path.length > maxDepth) return this.#add(path, { message: 'is nested too deeply' });
    if (typeof schema['refused'] === 'string') {
      return this.#add(path, { message: `${nameOf(path)} is not accepted: ${schema['refused']}`, at: 'key' });
    }
    if (typeof schema['notYet'] === 'string') {
      this.#add(path, { message: `${nameOf(path)} ${schema['notYet']}`, severity: 'warning', at: 'key' });
    }
    if (!this.#checkType(schema, value, path)) return;
    if (!this.#checkEnum(schema, value, path)) return;
    if (typeof value === 'string') this.#checkText(schema, value, path);
    else if (typeof value === 'number') this.#checkNumber(schema, value, path);
    else if (Array.isArray(value)) this.#checkList(schema, value, path);
    else if (isObject(value)) this.#checkObject(schema, value, path);
  }

  #checkType(schema: Schema, value: unknown, path: FieldPath): boolean {
    const { type } = schema;
    if (type === undefined) return true;
    const types = (Array.isArray(type) ? type : [type]) as readonly string[];
    if (types.some((name) => hasType(name, value))) return true;
    if (schema['hidden'] === true) {
      this.#wrong(schema, path, `${nameOf(path)} is something else`);
      return false;
    }
    this.#wrong(schema, path, `${nameOf(path)} is ${describe(value)}`, typeHint(schema, types, value));
    return false;
  }

  #checkEnum(schema: Schema, value: unknown, path: FieldPath): boolean {
    const choices = schema['enum'] as readonly unknown[] | undefined;
    if (choices === undefined || choices.includes(value)) return true;
    const names = choices.filter((choice) => typeof choice === 'string');
    const suggestion = typeof value === 'string' ? closestName(value, names) : undefined;
    this.#wrong(schema, path, `${nameOf(path)} cannot be ${describe(value)}`, suggestion);
    return false;
  }

  #checkText(schema: Schema, value: string, path: FieldPath): void {
    const { minLength, maxLength, pattern, format } = schema;
    if (typeof maxLength === 'number' && value.length > maxLength) {
      return this.#wrong(
        schema,
        path,
        `${nameOf(path)} has ${value.length} characters, more than ${maxLength}`,
      );
    }
    if (typeof minLength === 'number' && value.length < minLength) {
      return this.#wrong(schema, path, `${nameOf(path)} is empty`);
    }
    if (typeof pattern === 'string' && !new RegExp(pattern).test(value)) {
      return this.#wrong(schema, path, `${nameOf(path)} cannot be ${describe(value)}`);
    }
    if (format === 'protocol') {
      const choices = schema['choices'] as readonly string[];
      if (choices.includes(value.toUpperCase())) return;
      return this.#wrong(
        schema,
        path,
        `${nameOf(path)} cannot be ${describe(value)}`,
        closestName(value, choices),
      );
    }
    const verdict = typeof format === 'string' ? (formats[format]?.(value) ?? true) : true;
    if (verdict === true) return;
    const how = typeof verdict === 'string' ? verdict : 'is not valid';
    this.#wrong(schema, path, `${nameOf(path)} ${describe(value)} ${how}`);
  }

  #checkNumber(schema: Schema, value: number, path: FieldPath): void {
    const { minimum, maximum } = schema;
    const low = typeof minimum === 'number' && value < minimum;
    const high = typeof maximum === 'number' && value > maximum;
    if (low || high) this.#wrong(schema, path, `${nameOf(path)} is ${value}, out of range`);
  }

  #checkList(schema: Schema, value: readonly unknown[], path: FieldPath): void {
    const { minItems, maxItems, items } = schema;
    if (typeof minItems === 'number' && value.length < minItems) {
      return this.#wrong(schema, path, `${nameOf(path)} is empty`);
    }
    if (typeof maxItems === 'number' && value.length > maxItems) {
      return this.#wrong(schema, path, `${nameOf(path)} has ${value.length} entries, more than ${maxItems}`);
    }
    if (items === undefined) return;
    value.forEach((item, i) => this.check(items as Schema, item, [...path, i]));
  }

  #checkObject(schema: Schema, value: Readonly<Record<string, unknown>>, path: FieldPath): void {
    const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
    const rest = schema['additionalProperties'];
    const names = Object.keys(value);
    if (typeof schema['maxProperties'] === 'number' && names.length > schema['maxProperties']) {
      return this.#wrong(
        schema,
        path,
        `${nameOf(path)} has ${names.length} fields, more than ${schema['maxProperties']}`,
      );
    }
    const unknown: string[] = [];
    for (const name of names) {
      const at = [...path, name];
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (property !== undefined) this.check(property, value[name], at);
      else if (rest === false) unknown.push(name);
      else if (isObject(rest)) {
        if (isObject(schema['propertyNames'])) this.#checkName(schema, name, at);
        // Where a separator is missing a value has become part of its name.
        const isShown = schema['hidden'] !== true || plainName.test(name);
        this.check(rest, value[name], isShown ? at : path);
      }
    }
    const missing = ((schema['required'] ?? []) as readonly string[]).filter(
      (name) => !Object.hasOwn(value, name),
    );
    if (schema['hidden'] === true && unknown.length > 0) {
      // What stands where a name should be may be anything.
      const expected = `one of ${Object.keys(properties).join(', ')}`;
      this.#add(path, { message: `${nameOf(path)} has an unknown field`, expected });
      unknown.length = 0;
    }
    for (const name of unknown.slice(0, maxProblems)) {
      const free = Object.keys(properties).filter((known) => !Object.hasOwn(value, known));
      const suggestion = closestName(name, free) ?? closestName(name, Object.keys(properties));
      // One mistake, one message: a misspelt field is not also a missing one.
      if (suggestion !== undefined && missing.includes(suggestion))
        missing.splice(missing.indexOf(suggestion), 1);
      this.#add([...path, name], {
        message: `unknown field ${quote(name)}${path.length === 0 ? '' : ` in ${nameOf(path)}`}`,
        expected: `one of ${Object.keys(properties).join(', ')}`,
        suggestion,
        at: 'key',
      });
    }
    for (const name of missing) {
      this.#add([...path, name], {
        message: `${path.length === 0 ? 'the document' : nameOf(path)} lacks ${quote(name)}`,
        expected: String(properties[name]?.['expected'] ?? 'it to be set'),
      });
    }
    this.#checkChoices(schema, value, path, unknown.length > 0);
  }

  #checkName(owner: Schema, name: string, path: FieldPath): void {
    const schema = owner['propertyNames'] as Schema;
    const { format, pattern } = schema;
    const good =
      (typeof format !== 'string' || formats[format]?.(name) === true) &&
      (typeof pattern !== 'string' || new RegExp(pattern).test(name));
    if (good) return;
    const expected = String(schema['expected']);
    if (owner['hidden'] === true) this.#add(path.slice(0, -1), { message: 'a name is not valid', expected });
    else this.#add(path, { message: `the name ${quote(name)} is not valid`, expected, at: 'key' });
  }

  #checkChoices(
    schema: Schema,
    value: Readonly<Record<string, unknown>>,
    path: FieldPath,
    misspelt: boolean,
  ): void {
    for (const keyword of ['oneField', 'mostOneField'] as const) {
      const fields = schema[keyword] as readonly string[] | undefined;
      if (fields === undefined) continue;
      const set = fields.filter((name) => Object.hasOwn(value, name));
      if (set.length > 1) {
        const last = Object.keys(value)
          .filter((name) => set.includes(name))
          .at(-1) as string;
        this.#add([...path, last], {
          message: `${nameOf(path)} has ${set.map(quote).join(' and ')}, which exclude each other`,
          expected: `only one of ${fields.join(', ')}`,
          at: 'key',
        });
      } else if (set.length === 0 && keyword === 'oneField' && !misspelt) {
        this.#add(path, { message: `${nameOf(path)} says nothing`, expected: `one of ${fields.join(', ')}` });
      }
    }
    if (schema['fieldOfType'] === true && typeof value['type'] === 'string') {
      const wanted = fieldOfFilterType(value['type']);
      if (!Object.hasOwn(value, wanted)) {
        this.#add(path, {
          message: `${nameOf(path)} is of type ${value['type']} but lacks ${quote(wanted)}`,
          expected: wanted,
        });
      }
    }
  }

  #wrong(schema: Schema, path: FieldPath, message: string, suggestion?: string): void {
    const expected = schema['expected'];
    this.#add(path, { message, suggestion, ...(typeof expected === 'string' ? { expected } : {}) });
  }

  #add(path: FieldPath, wording: ProblemWording): void {
    this.#problems.push({ ...wording, path });
  }
}

const plainName = /^[a-z0-9._-]{1,40}$/;

function fieldOfFilterType(type: string): string {
  if (type === 'URLRewrite') return 'urlRewrite';
  if (type === 'CORS') return 'cors';
  return type.charAt(0).toLowerCase() + type.slice(1);
}

function hasType(name: string, value: unknown): boolean {
  switch (name) {
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      return Number.isSafeInteger(value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'null':
      return value === null;
    default:
      return typeof value === name;
  }
}

/** What the user may have meant where only the type is wrong: `"90"` for a number, `90` for text. */
function typeHint(schema: Schema, types: readonly string[], value: unknown): string | undefined {
  if ((types.includes('integer') || types.includes('number')) && typeof value === 'string') {
    return /^-?\d{1,15}$/.test(value.trim()) ? value.trim() : undefined;
  }
  if (typeof value === 'number' && String(schema['format']).endsWith('duration')) return `${value}s`;
  if (types.includes('string') && (typeof value === 'number' || typeof value === 'boolean'))
    return JSON.stringify(String(value));
  if (types.includes('array') && typeof value === 'string') {
    return `[${value.trim().split(/\s+/).slice(0, 10).join(', ')}]`;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameOf(path: FieldPath): string {
  let i = path.length - 1;
  while (i > 0 && typeof path[i] === 'number') i--;
  if (path.length === 0) return 'the document';
  return path
    .slice(i)
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
    .join('')
    .slice(0, 200);
}

function describe(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return quote(value);
  return `${typeof value === 'number' ? 'the number' : ''} ${String(value)}`.trim();
}

function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
