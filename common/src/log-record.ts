/** Values of a log line. Errors become their name, code, message, stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What every line begins with; no field may take one of these names. */
export interface LogHead {
  readonly time: string;
  readonly level: string;
  readonly component: string;
  readonly message: string;
}

const MOST_FIELDS = 64;
const MOST_ITEMS = 64;
const DEEPEST = 6;

/**
 * Turns a record into one line of JSON that is at most `maxLength` characters long and contains nothing that a terminal
 * or a line-based reader would act upon: control characters and line separators are escaped.
 *
 * Shape: later fields win over earlier ones; a field named like the head is written as `field_<name>`. A line that would
 * be too long has its long texts cut first and its fields left out next, and then says `"truncated":true`.
 */
export function logRecordLine(
  head: LogHead,
  fieldSets: readonly (LogFields | undefined)[],
  maxLength: number,
): string {
  const fields = new Map<string, unknown>();
  for (const set of fieldSets) {
    if (set === undefined) continue;
    for (const name of Object.keys(set)) {
      if (fields.size >= MOST_FIELDS && !fields.has(name)) break;
      fields.set(Object.hasOwn(head, name) ? `field_${name}` : name, set[name]);
    }
  }
  const whole = assemble(head, fields, maxLength);
  if (whole.length < maxLength) return `${whole}\n`;
  // Every field gets an equal share of what is left; the rest of its text is dropped.
  const share = Math.floor(maxLength / (2 * Math.max(1, fields.size)));
  const cut = assemble({ ...head, message: head.message.slice(0, share) }, fields, share, true);
  if (cut.length < maxLength) return `${cut}\n`;
  // Escapes can make a text six times as long.
  const brief = {
    ...head,
    component: head.component.slice(0, 16),
    message: head.message.slice(0, Math.floor((maxLength - 240) / 6)),
  };
  return `${assemble(brief, new Map(), maxLength, true).slice(0, maxLength - 1)}\n`;
}

function assemble(
  head: LogHead,
  fields: ReadonlyMap<string, unknown>,
  maxText: number,
  truncated = false,
): string {
  // A null prototype, so that a field named __proto__ is a field.
  const record: Record<string, unknown> = Object.assign(Object.create(null), head);
  for (const [name, value] of fields) {
    const plain = plainValue(value, maxText, 0);
    if (plain !== undefined) record[name.slice(0, maxText)] = plain;
  }
  if (truncated) record['truncated'] = true;
  return escapeInvisible(JSON.stringify(record));
}

/** A bounded copy that JSON can hold; loops end at the depth limit. */
function plainValue(value: unknown, maxText: number, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return value.length > maxText ? `${value.slice(0, maxText)}…` : value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return String(value).slice(0, maxText);
    case 'symbol':
    case 'function':
      return `[${typeof value}]`;
    case 'object':
      return value === null ? null : plainObject(value, maxText, depth);
  }
}

function plainObject(value: object, maxText: number, depth: number): unknown {
  if (depth >= DEEPEST) return '[deeper]';
  if (value instanceof Error) return plainError(value, maxText, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value) || value instanceof Set) {
    const items: unknown[] = [];
    for (const item of value) {
      if (items.length >= MOST_ITEMS) {
        items.push('…');
        break;
      }
      items.push(plainValue(item, maxText, depth + 1) ?? null);
    }
    return items;
  }
  const entries = value instanceof Map ? value : Object.entries(value);
  const copy = Object.create(null) as Record<string, unknown>;
  let count = 0;
  for (const [name, item] of entries as Iterable<[unknown, unknown]>) {
    if (++count > MOST_ITEMS) {
      copy['…'] = true;
      break;
    }
    const plain = plainValue(item, maxText, depth + 1);
    if (plain !== undefined) copy[String(name).slice(0, maxText)] = plain;
  }
  return copy;
}

function plainError(error: Error, maxText: number, depth: number): unknown {
  const { code } = error as { code?: unknown };
  return {
    name: plainValue(error.name, maxText, depth + 1),
    code: code === undefined ? undefined : plainValue(code, maxText, depth + 1),
    message: plainValue(error.message, maxText, depth + 1),
    // The deepest stack is where it began; those above it repeat most of its frames.
    stack: error.cause === undefined ? plainValue(error.stack, maxText, depth + 1) : undefined,
    cause: error.cause === undefined ? undefined : plainValue(error.cause, maxText, depth + 1),
  };
}

/** JSON already escapes U+0000 to U+001F. Left are DEL, the C1 controls (CSI), separators and direction marks. */
const INVISIBLE = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escapeInvisible(json: string): string {
  return json.replace(
    INVISIBLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
