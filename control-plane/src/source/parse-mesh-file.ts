import type { MeshResource } from '../model/mesh-resource.js';
import type { SourceProblem } from '../model/source-problem.js';

/**
 * The resources of one text of YAML or JSON (several documents, Lists unrolled), and everything that is wrong with it:
 * what the file source does with each file, without watching anything. `file` is how the text is named in problems.
 * Used by the API (validate, apply) and `heddle analyze`.
 */
export function parseMeshFile(
  text: string,
  file: string,
): { readonly resources: readonly MeshResource[]; readonly problems: readonly SourceProblem[] } {
  void text;
  void file;
  throw new Error('being built');
}
