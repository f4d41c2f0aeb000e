import { readRequestHeader } from '../format/operators.js';
import type { RequestHead } from '../http/message-head.js';

/** Where the value of a metric's label comes from. `header` knows `:method`, `:authority`, `:scheme` and `:path` as well. */
export type LabelExpression =
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'url-path' }
  /** Another label of the same metric. */
  | { readonly kind: 'label'; readonly name: string };

const ATTRIBUTES: ReadonlyMap<string, LabelExpression> = new Map<string, LabelExpression>([
  ['request.method', { kind: 'header', name: ':method' }],
  ['request.host', { kind: 'header', name: ':authority' }],
  ['request.scheme', { kind: 'header', name: ':scheme' }],
  ['request.path', { kind: 'header', name: ':path' }],
  ['request.url_path', { kind: 'url-path' }],
  ['request.useragent', { kind: 'header', name: 'user-agent' }],
  ['request.referer', { kind: 'header', name: 'referer' }],
  ['response.code', { kind: 'label', name: 'response_code' }],
]);

const TEXT = /^(?:"([^"\\]*)"|'([^'\\]*)')$/;
const HEADER = /^request\.headers\[(?:"([!#$%&*+\-.^_`|~0-9a-zA-Z]+)"|'([!#$%&*+\-.^_`|~0-9a-zA-Z]+)')\]$/;

/**
 * Reads the expression of a label: a text in quotes, an attribute of the request, or one of its header fields.
 *
 * Source: the CEL expressions of Istio's stats filter and Telemetry, of which these are the ones that need no evaluation.
 * Errors: undefined for every other one.
 */
export function parseLabelExpression(expression: string): LabelExpression | undefined {
  const plain = /^string\((.*)\)$/s.exec(expression.trim())?.[1] ?? expression;
  const trimmed = plain.trim();
  const text = TEXT.exec(trimmed);
  if (text !== null) return { kind: 'text', value: text[1] ?? text[2] ?? '' };
  const header = HEADER.exec(trimmed);
  if (header !== null) return { kind: 'header', name: (header[1] ?? header[2] ?? '').toLowerCase() };
  return ATTRIBUTES.get(trimmed);
}

/** What a request says of an attribute; undefined: nothing. */
export function readRequestAttribute(
  expression: Exclude<LabelExpression, { readonly kind: 'text' | 'label' }>,
  head: RequestHead,
): string | undefined {
  if (expression.kind === 'header') return readRequestHeader(head, expression.name);
  const end = head.path.indexOf('?');
  return end === -1 ? head.path : head.path.slice(0, end);
}
