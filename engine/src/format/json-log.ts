import type { JsonLogFields, JsonLogValue } from '../config/access-log-config.js';
import type { StreamInfo } from '../http/stream-info.js';
import { jsonText } from './json-text.js';
import type { FormatContext } from './operators.js';
import { compileTemplate } from './template.js';

type Part = string | ((info: StreamInfo) => string);
type Omitting = (info: StreamInfo) => string | undefined;

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
): { readonly format: (info: StreamInfo) => string } | { readonly problem: string } {
  const problems: string[] = [];
  const context = options.context ?? {};
  if (options.omitEmptyValues === true) {
    const write = compileOmitting(fields, '', context, problems);
    if (problems.length > 0) return { problem: problems.join('; ') };
    return { format: (info) => `${write(info) ?? '{}'}\n` };
  }
  const parts: Part[] = [];
  collect(fields, '', context, parts, problems);
  parts.push('\n');
  if (problems.length > 0) return { problem: problems.join('; ') };
  const merged = mergeLiterals(parts);
  return {
    format: (info) => {
      let line = '';
      for (const part of merged) line += typeof part === 'string' ? part : part(info);
      return line;
    },
  };
}

function mergeLiterals(parts: readonly Part[]): readonly Part[] {
  const merged: Part[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (typeof part === 'string' && typeof last === 'string') merged[merged.length - 1] = last + part;
    else merged.push(part);
  }
  return merged;
}

/** The writer of one leaf; undefined means that it has no value. */
function compileLeaf(
  text: string,
  path: string,
  context: FormatContext,
  problems: string[],
): string | Omitting {
  const compiled = compileTemplate(text, context);
  if ('problem' in compiled) {
    problems.push(`${path}: ${compiled.problem}`);
    return '';
  }
  const { template } = compiled;
  const { single } = template;
  if (single === undefined) {
    if (template.parts.every((part) => typeof part === 'string')) return jsonText(template.parts.join(''));
    return (info) => jsonText(template.format(info));
  }
  return (info) => {
    const value = single(info);
    if (value === undefined) return undefined;
    return typeof value === 'number' ? String(value) : jsonText(value);
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
    const leaf = compileLeaf(value, path, context, problems);
    parts.push(typeof leaf === 'string' ? leaf : (info) => leaf(info) ?? 'null');
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
    const leaf = compileLeaf(value, path, context, problems);
    return typeof leaf === 'string' ? () => leaf : leaf;
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
