import { definedFields, isJsonObject, jsonEquals, setField } from './json-value.js';

/** One step of a JSON Patch. Source: RFC 6902; of its operations, those that a difference needs. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/**
 * The steps that make `after` from `before`, both JSON values.
 *
 * Shape: deterministic; an item put into a list is one `add`, not a rewriting of what follows it.
 * Cost: values × depth.
 */
export function diffJson(before: unknown, after: unknown, path = ''): readonly JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  appendDifference(before, after, path, operations);
  return operations;
}

function appendDifference(
  before: unknown,
  after: unknown,
  path: string,
  operations: JsonPatchOperation[],
): void {
  if (jsonEquals(before, after)) return;
  if (Array.isArray(before) && Array.isArray(after)) {
    appendListDifference(before, after, path, operations);
  } else if (isJsonObject(before) && isJsonObject(after)) {
    const fieldsBefore = new Map(definedFields(before));
    const fieldsAfter = new Map(definedFields(after));
    for (const name of fieldsBefore.keys()) {
      if (!fieldsAfter.has(name)) operations.push({ op: 'remove', path: `${path}/${escapeToken(name)}` });
    }
    for (const [name, value] of fieldsAfter) {
      const below = `${path}/${escapeToken(name)}`;
      if (fieldsBefore.has(name)) appendDifference(fieldsBefore.get(name), value, below, operations);
      else operations.push({ op: 'add', path: below, value });
    }
  } else {
    operations.push({ op: 'replace', path, value: after });
  }
}

/** What is equal at both ends stays; in between, items of the same `name` are the same item, changed. */
function appendListDifference(
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
  operations: JsonPatchOperation[],
): void {
  const kept = pairedItems(before, after);
  const keptBefore = new Set(kept.map(([index]) => index));
  for (let index = before.length - 1; index >= 0; index--) {
    if (!keptBefore.has(index)) operations.push({ op: 'remove', path: `${path}/${index}` });
  }
  const beforeOf = new Map(kept.map(([from, to]) => [to, from]));
  after.forEach((value, index) => {
    const from = beforeOf.get(index);
    if (from === undefined) operations.push({ op: 'add', path: `${path}/${index}`, value });
    else appendDifference(before[from], value, `${path}/${index}`, operations);
  });
}

/** Pairs of positions, rising in both lists, of items that are the same one. */
function pairedItems(before: readonly unknown[], after: readonly unknown[]): readonly [number, number][] {
  const pairs: [number, number][] = [];
  let from = 0;
  let to = 0;
  while (from < before.length && to < after.length) {
    if (isSameItem(before[from], after[to])) {
      pairs.push([from++, to++]);
      continue;
    }
    // The nearest item that is still there: skipped ones of `after` are new, skipped ones of `before` are gone.
    const nextTo = after.findIndex((item, index) => index > to && isSameItem(before[from], item));
    if (nextTo < 0) from++;
    else to = nextTo;
  }
  return pairs;
}

function isSameItem(a: unknown, b: unknown): boolean {
  if (isJsonObject(a) && isJsonObject(b) && typeof a['name'] === 'string' && typeof b['name'] === 'string') {
    return a['name'] === b['name'];
  }
  return jsonEquals(a, b);
}

function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The parts of a JSON Pointer. Source: RFC 6901. */
export function pointerTokens(path: string): readonly string[] {
  return path
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/**
 * Applies what diffJson made, to a copy.
 *
 * Errors: RangeError where a path leads nowhere, which no patch of ours does for the value that it was made from.
 */
export function applyJsonPatch(value: unknown, operations: readonly JsonPatchOperation[]): unknown {
  let root: unknown = structuredClone(value);
  for (const operation of operations) {
    const tokens = pointerTokens(operation.path);
    const last = tokens.at(-1);
    if (last === undefined) {
      if (operation.op !== 'replace') throw new RangeError(`${operation.op} of the whole value`);
      root = structuredClone(operation.value);
      continue;
    }
    const parent = tokens.slice(0, -1).reduce((at, token) => childOf(at, token, operation.path), root);
    applyOperation(parent, last, operation);
  }
  return root;
}

function applyOperation(parent: unknown, token: string, operation: JsonPatchOperation): void {
  if (Array.isArray(parent)) {
    const index = token === '-' ? parent.length : Number(token);
    const limit = operation.op === 'add' ? parent.length : parent.length - 1;
    if (!Number.isInteger(index) || index < 0 || index > limit) throw nowhere(operation.path);
    if (operation.op === 'add') parent.splice(index, 0, structuredClone(operation.value));
    else if (operation.op === 'remove') parent.splice(index, 1);
    else parent[index] = structuredClone(operation.value);
    return;
  }
  if (!isJsonObject(parent)) throw nowhere(operation.path);
  if (operation.op !== 'add' && !Object.hasOwn(parent, token)) throw nowhere(operation.path);
  if (operation.op === 'remove') Reflect.deleteProperty(parent, token);
  else setField(parent, token, structuredClone(operation.value));
}

function childOf(value: unknown, token: string, path: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) throw nowhere(path);
  return (value as Readonly<Record<string, unknown>>)[token];
}

function nowhere(path: string): RangeError {
  return new RangeError(`nothing at ${path}`);
}
