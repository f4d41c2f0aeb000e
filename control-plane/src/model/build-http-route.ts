import type { MeshResource } from './mesh-resource.js';
import type { SourceProblem } from './source-problem.js';
import type { MeshModel, RouteBinding } from './mesh-model.js';

export function bindingsOfHttpRoute(
  resource: MeshResource,
  model: MeshModel,
  problems: SourceProblem[],
): readonly RouteBinding[] {
  void [resource, model, problems];
  return [];
}
