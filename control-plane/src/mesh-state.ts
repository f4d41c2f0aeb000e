import { buildModel } from './model/build-model.js';
import type { CanaryWeights } from './model/canary.js';
import type { KeySets } from './model/key-sets.js';
import type { MeshModel } from './model/mesh-model.js';
import type { MeshResource } from './model/mesh-resource.js';
import type { MeshSettings } from './model/mesh-settings.js';
import type { SourceProblem } from './model/source-problem.js';
import type { SourceChange } from './source/file-source.js';

/** What heddled knows at one moment. Replaced as a whole with every change. */
export interface MeshState {
  /** Grows by one with every change. */
  readonly revision: number;
  readonly resources: ReadonlyMap<string, MeshResource>;
  readonly model: MeshModel;
  /** Of the files and of what they mean together; errors first. */
  readonly problems: readonly SourceProblem[];
}

/** The state before anything was read. */
export function emptyMeshState(): MeshState {
  return Object.freeze({
    revision: 0,
    resources: new Map(),
    model: buildModel(new Map()).model,
    problems: [],
  });
}

/** The state that a change of the sources, or of fetched keys, leads to. */
export function nextMeshState(
  before: MeshState,
  change: SourceChange,
  settings?: MeshSettings,
  keySets?: KeySets,
  canaryWeights?: CanaryWeights,
): MeshState {
  const { model, problems } = buildModel(change.resources, settings, keySets, canaryWeights);
  const all = [...change.problems, ...problems];
  const errors = all.filter(({ severity }) => severity === 'error');
  const warnings = all.filter(({ severity }) => severity !== 'error');
  return Object.freeze({
    revision: before.revision + 1,
    resources: change.resources,
    model,
    problems: Object.freeze([...errors, ...warnings]),
  });
}
