import type { JsonLogFields, JsonLogValue } from '../config/access-log-config.js';
import type { StreamInfo } from '../http/stream-info.js';
import { jsonText } from './json-text.js';
import type { LineBytes } from './line-bytes.js';
import type { FormatContext, OperatorReader } from './operators.js';
import { compileTemplate, type Template } from './template.js';

/** A literal, a leaf that is one operator, or a leaf of several parts whose value is always a string. */
export type Part = string | OperatorReader | Template;
type Omitting = (info: StreamInfo) => string | undefined;

/** Adds the entry of one stream to a line, its line feed included where the format has one. */
export type WriteEntry = (info: StreamInfo, line: LineBytes) => void;

/**
 * Compiles a tree of fields into a function that writes one JSON line.
 *
 * Source: envoy.config.core.v3.SubstitutionFormatString.json_format: a leaf that is one operator keeps its type
 * (numbers stay numbers, what is missing is `null`), other leaves are strings.
 * Shape: with `omitEmptyValues`, a field whose only operator has no value is left out.
 * Errors: a text that names the field and what is wrong.
 */
export function compileJsonLog(
  fields: JsonLogFields,
  options: { readonly omitEmptyValues?: boolean; readonly context?: FormatContext } = {},
): { readonly write: WriteEntry } | { readonly problem: string } {
  const problems: string[] = [];
  const context = options.context ?? {};
  if (options.omitEmptyValues === true) {
    const write = compileOmitting(fields, '', context, problems);
    if (problems.length > 0) return { problem: problems.join('; ') };
    return { write: (info, line) => line.text(`${write(info) ?? '{}'}\n`) };
  }
  const parts: Part[] = [];
  collect(fields, '', context, parts, problems);
  parts.push('\n');
  if (problems.length > 0) return { problem: problems.join('; ') };
  return { write: writeParts(parts) };
}

/** Writes literals as they are, and what is read as JSON. */
export function writeParts(parts: readonly Part[]): WriteEntry {
  const merged = mergeLiterals(parts).map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  return (info, line) => {
    for (let i = 0; i < merged.length; i++) {
      const part = merged[i] as (typeof merged)[number];
      if (typeof part === 'function') {
        const value = part(info);
        if (typeof value === 'string') line.json(value);
        else if (typeof value === 'number') line.number(value);
        else line.literal(NULL);
      } else if (part instanceof Uint8Array) line.literal(part);
      else line.json(part.format(info));
    }
  };
}

const NULL = Buffer.from('null');

function mergeLiterals(parts: readonly Part[]): readonly Part[] {
  const merged: Part[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (typeof part === 'string' && typeof last === 'string') merged[merged.length - 1] = last + part;
    else merged.push(part);
  }
  return merged;
}

function compileLeaf(text: string, path: string, context: FormatContext, problems: string[]): Part {
  const compiled = compileTemplate(text, context);
  if ('problem' in compiled) {
    problems.push(`${path}: ${compiled.problem}`);
    return '';
  }
  const { template } = compiled;
  const { single } = template;
  if (single !== undefined) return single;
  return template.parts.every((part) => typeof part === 'string')
    ? jsonText(template.parts.join(''))
    : template;
}

/** The writer of one leaf; undefined means that it has no value. */
function omittingLeaf(leaf: Part): Omitting {
  if (typeof leaf === 'string') return () => leaf;
  if (typeof leaf !== 'function') return (info) => jsonText(leaf.format(info));
  return (info) => {
    const value = leaf(info);
    return typeof value === 'string' ? jsonText(value) : value === undefined ? undefined : String(value);
  };
}

function collect(
  value: JsonLogValue,
  path: string,
  context: FormatContext,
  parts: Part[],
  problems: string[],
): void {
  if (typeof value === 'string') {
    parts.push(compileLeaf(value, path, context, problems));
    return;
  }
  if (value === null || typeof value !== 'object') {
    parts.push(JSON.stringify(value));
    return;
  }
  if (Array.isArray(value)) {
    parts.push('[');
    value.forEach((item: JsonLogValue, i) => {
      if (i > 0) parts.push(',');
      collect(item, `${path}[${i}]`, context, parts, problems);
    });
    parts.push(']');
    return;
  }
  parts.push('{');
  Object.entries(value as JsonLogFields).forEach(([name, field], i) => {
    parts.push(`${i > 0 ? ',' : ''}${jsonText(name)}:`);
    collect(field, path === '' ? name : `${path}.${name}`, context, parts, problems);
  });
  parts.push('}');
}

function compileOmitting(
  value: JsonLogValue,
  path: string,
  context: FormatContext,
  problems: string[],
): Omitting {
  if (typeof value === 'string') {
    return omittingLeaf(compileLeaf(value, path, context, problems));
  }
  if (value === null || typeof value !== 'object') {
    const literal = JSON.stringify(value);
    return () => literal;
  }
  if (Array.isArray(value)) {
    const items = value.map((item: JsonLogValue, i) =>
      compileOmitting(item, `${path}[${i}]`, context, problems),
    );
    return (info) => `[${items.map((item) => item(info) ?? 'null').join(',')}]`;
  }
  const fields = Object.entries(value as JsonLogFields).map(([name, field]) => ({
    key: `${jsonText(name)}:`,
    write: compileOmitting(field, path === '' ? name : `${path}.${name}`, context, problems),
  }));
  return (info) => {
    let text = '';
    for (const field of fields) {
      const written = field.write(info);
      if (written !== undefined) text += `${text === '' ? '' : ','}${field.key}${written}`;
    }
    return `{${text}}`;
  };
}
