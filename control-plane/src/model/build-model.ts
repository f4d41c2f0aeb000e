import type { MeshModel } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { SourceProblem } from './source-problem.js';

/**
 * Joins resources into a model. Pure; the order of `resources` does not matter.
 *
 * Errors: none; what refers to something unknown is a warning, and a resource that loses against another is named.
 */
export function buildModel(resources: ReadonlyMap<string, MeshResource>): {
  readonly model: MeshModel;
  readonly problems: readonly SourceProblem[];
} {
  void resources;
  throw new Error('being built');
}
