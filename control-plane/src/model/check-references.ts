import type { MeshModel } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { SourceProblem } from './source-problem.js';

/** Names what refers to something that is not there. */
export function checkReferences(
  model: MeshModel,
  resources: readonly MeshResource[],
  problems: SourceProblem[],
): void {
  void model;
  void resources;
  void problems;
}
