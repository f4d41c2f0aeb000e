import type { Stage } from './stage.js';

/** A sentence, or counts that can be drawn. */
export type Figure = string | { readonly title: string; readonly counts: Readonly<Record<string, number>> };

/** What one step found. `figures` are shown to the person; a failed check ends the demo with 1. */
export interface StepResult {
  readonly figures: readonly Figure[];
  readonly failures: readonly string[];
}

export interface StoryStep {
  readonly title: string;
  readonly explanation: string;
  /** The YAML that is applied: a file of examples/shop/story and its name in the mesh folder. */
  readonly applies:
    | {
        readonly story: string;
        readonly as: string;
        /** Puts into the text what only a running demo knows. */
        readonly fill?: (yaml: string) => string;
      }
    | undefined;
  run(stage: Stage): Promise<StepResult>;
}

/** `v1 90, v2 10` */
export function describe(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
  return parts.map(([version, count]) => `${version} ${count}`).join(', ') || 'nothing';
}
