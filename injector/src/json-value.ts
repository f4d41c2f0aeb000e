/** What JSON and YAML texts hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Deeper values are refused before anything walks them by recursion. Kubernetes' own types need about 20 levels. */
export const MAX_JSON_DEPTH = 100;

/** Whether a value is nested no deeper than is walked; it does not recurse itself. */
export function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_JSON_DEPTH) return false;
    const below: unknown[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      for (const part of Object.values(item)) if (typeof part === 'object' && part !== null) below.push(part);
    }
    level = below;
  }
  return true;
}

/** Sets a field whatever its name is: `__proto__` is a name like any other here. */
export function setField(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Equal as JSON: the order of fields says nothing, a field that is undefined is not there. */
export function jsonEquals(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => jsonEquals(item, (b as unknown[])[index]));
  }
  const fieldsOfA = definedFields(a);
  const fieldsOfB = new Map(definedFields(b));
  return (
    fieldsOfA.length === fieldsOfB.size &&
    fieldsOfA.every(([name, value]) => fieldsOfB.has(name) && jsonEquals(value, fieldsOfB.get(name)))
  );
}

/** The fields that JSON would write. */
export function definedFields(object: object): [string, unknown][] {
  return Object.entries(object).filter(([, value]) => value !== undefined);
}
