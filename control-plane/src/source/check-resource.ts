import type { MeshResource } from '../model/mesh-resource.js';
import type { SchemaProblem } from './validate-resource.js';

/** What a schema cannot say of a single resource. What needs other resources is checked when the model is built. */
export function checkResource(resource: MeshResource): readonly SchemaProblem[] {
  void resource;
  return [];
}
