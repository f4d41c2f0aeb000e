import type { ShopAnswer } from './shop-client.js';
import type { Stage } from './stage.js';
import type { Figure, StepResult } from './story-step.js';

/** How soon an edit is to be seen by callers, on a machine that has nothing else to do. */
const EFFECT_WITHIN_MS = 1_000;
/** When it is given up. */
const EFFECT_TIMEOUT_MS = 10_000;

/** Collects what a step found. */
export class Checks {
  readonly #figures: Figure[] = [];
  readonly #failures: string[] = [];

  figure(text: string): void {
    this.#figures.push(text);
  }

  counts(title: string, counts: Readonly<Record<string, number>>): void {
    this.#figures.push({ title, counts });
  }

  that(holds: boolean, failure: string): void {
    if (!holds) this.#failures.push(failure);
  }

  all(answers: readonly ShopAnswer[], holds: (answer: ShopAnswer) => boolean, what: string): void {
    const other = answers.filter((answer) => !holds(answer));
    const example = other[0]?.failure ?? JSON.stringify(other[0]?.served)?.slice(0, 200);
    this.that(other.length === 0, `${other.length} of ${answers.length} calls were not ${what}: ${example}`);
  }

  /** An edit was just made: callers must see it. */
  async takesEffect(stage: Stage, isSeen: () => Promise<boolean>): Promise<void> {
    // A look takes a while itself: what counts is when the first look that saw nothing but the new state began.
    let afterMs = 0;
    const look = (): Promise<boolean> => {
      afterMs = Math.round(stage.sinceEditMs());
      return isSeen();
    };
    const seen = await stage.eventually(look, EFFECT_TIMEOUT_MS);
    this.that(seen, `the edit was not seen within ${EFFECT_TIMEOUT_MS / 1000} s`);
    if (!seen) return;
    // Told, not refused: how busy the machine is says nothing about whether the mesh is right.
    const late =
      afterMs > EFFECT_WITHIN_MS ? ` (later than ${EFFECT_WITHIN_MS} ms: the machine is busy)` : '';
    this.figure(`in force after ${afterMs} ms${late}`);
  }

  result(): StepResult {
    return { figures: this.#figures, failures: this.#failures };
  }
}
