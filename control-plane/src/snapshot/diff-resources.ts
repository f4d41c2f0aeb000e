import type { EncodedResource } from './encoded-resource.js';

/** Resources of one type, by name. */
export type ResourcesByName = ReadonlyMap<string, EncodedResource>;

export const NO_RESOURCES: ResourcesByName = new Map();

const known = new WeakMap<
  ResourcesByName,
  { readonly before: ResourcesByName; readonly names: readonly string[] }
>();

/**
 * The names that are new, changed or gone.
 *
 * Cost: once for all sessions of a view, for they step through the same snapshots; unchanged maps are the same objects.
 */
export function diffResources(before: ResourcesByName, after: ResourcesByName): readonly string[] {
  if (before === after) return [];
  const found = known.get(after);
  if (found?.before === before) return found.names;
  const names: string[] = [];
  for (const [name, resource] of after) if (before.get(name) !== resource) names.push(name);
  for (const name of before.keys()) if (!after.has(name)) names.push(name);
  known.set(after, { before, names });
  return names;
}
