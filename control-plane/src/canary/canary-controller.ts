import type { Clock, Logger } from '@heddle/common';
import type { CanaryConfig, CanaryWeights } from '../model/canary.js';
import { emptyCounts } from '../traffic/call-columns.js';
import type { CanaryFiles } from './canary-files.js';
import { isOver, newRun, weightIn, type CanaryState } from './canary-state.js';
import { command, decide, type CanaryCommand, type CanaryObservation } from './decide.js';
import type { CanaryCounts } from './judge.js';

/** What the controller may see and do. */
export interface CanaryControllerOptions {
  /** undefined: states end with the process. */
  readonly files: Pick<CanaryFiles, 'readAll' | 'write'> | undefined;
  readonly endpoints: (canary: CanaryConfig) => { readonly stable: number; readonly canary: number };
  /** Of the proxies that route to the host of a canary. */
  readonly proxies: (canary: CanaryConfig) => {
    readonly acknowledged: boolean;
    readonly refused: string | undefined;
  };
  /** Calls as the proxies counted them since heddled watches. */
  readonly counts: (canary: CanaryConfig) => CanaryCounts;
  /** Monotonic ms: what was counted before is in `counts`. */
  readonly countedSinceMs: () => number;
  /** Weights are other ones now: `weights` tells which. */
  readonly onWeights: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** From when on calls count, for a step. */
interface Baseline {
  /** Run, step and weight; another one begins anew. */
  readonly of: string;
  /** Monotonic ms. */
  readonly acknowledgedMs: number;
  counts: CanaryCounts | undefined;
  sinceMs: number;
}

/** Leads canaries through their steps. What it decided is on disk before it acts. */
export class CanaryController {
  readonly #options: CanaryControllerOptions;
  readonly #states: Map<string, CanaryState>;
  readonly #baselines = new Map<string, Baseline>();
  #canaries: readonly CanaryConfig[] = [];

  constructor(options: CanaryControllerOptions) {
    this.#options = options;
    this.#states = new Map(options.files?.readAll());
  }

  /** The weights that are decided, for translation. */
  get weights(): CanaryWeights {
    return {
      weightOf: (canary) => {
        const state = this.#states.get(canary.key);
        return state?.runId !== canary.runId || state.phase === 'waiting'
          ? undefined
          : weightIn(state, canary);
      },
    };
  }

  get isUnderWay(): boolean {
    return this.#canaries.some(({ key }) => {
      const state = this.#states.get(key);
      return state !== undefined && !isOver(state);
    });
  }

  /** Every canary with where it is. */
  list(): readonly {
    readonly canary: CanaryConfig;
    readonly state: CanaryState;
    readonly counts: CanaryCounts | undefined;
    readonly countedMs: number;
  }[] {
    return this.#canaries.flatMap((canary) => {
      const state = this.#states.get(canary.key);
      if (state === undefined) return [];
      const { counts, countedMs } = this.#since(canary, state);
      return [{ canary, state, counts, countedMs }];
    });
  }

  /** The resources changed. Does not tell `onWeights`: who calls it translates anyway. */
  setCanaries(canaries: readonly CanaryConfig[]): void {
    this.#canaries = canaries;
    const now = this.#options.clock.nowMs();
    for (const canary of canaries) {
      const state = this.#states.get(canary.key);
      if (state === undefined) this.#keep(canary, newRun(canary, 1, now));
      else if (state.runId !== canary.runId) this.#keep(canary, newRun(canary, state.run + 1, now));
    }
  }

  /** Looks at every canary once. */
  tick(): void {
    let isChanged = false;
    for (const canary of this.#canaries) {
      const state = this.#states.get(canary.key);
      if (state === undefined) continue;
      const next = decide(canary, state, this.#look(canary, state), this.#options.clock.nowMs());
      if (next !== state) isChanged = this.#move(canary, state, next) || isChanged;
    }
    if (isChanged) this.#options.onWeights();
  }

  /** What a person said. undefined: done; a text: why it cannot be. */
  command(key: string, said: CanaryCommand): string | undefined {
    const canary = this.#canaries.find((known) => known.key === key);
    const state = this.#states.get(key);
    if (canary === undefined || state === undefined) return `there is no canary ${key}`;
    const next = command(canary, state, said, this.#options.clock.nowMs());
    if (typeof next === 'string') return next;
    if (this.#move(canary, state, next)) this.#options.onWeights();
    return undefined;
  }

  /** Returns whether the canary has another weight now. */
  #move(canary: CanaryConfig, before: CanaryState, next: CanaryState): boolean {
    // The reason alone changes with every look, and a restart finds it anew.
    const isNews = next.phase !== before.phase || next.step !== before.step || next.run !== before.run;
    if (!isNews) {
      this.#states.set(canary.key, next);
      return false;
    }
    this.#keep(canary, next);
    this.#options.log.info('canary moved', {
      canary: canary.key,
      phase: next.phase,
      step: next.step + 1,
      weight: weightIn(next, canary),
      reason: next.reason,
    });
    return weightIn(next, canary) !== weightIn(before, canary);
  }

  #keep(canary: CanaryConfig, state: CanaryState): void {
    this.#options.files?.write(canary.key, state);
    this.#states.set(canary.key, state);
  }

  #look(canary: CanaryConfig, state: CanaryState): CanaryObservation {
    const endpoints = this.#options.endpoints(canary);
    const proxies = this.#options.proxies(canary);
    if (isOver(state) || state.phase === 'waiting') this.#baselines.delete(canary.key);
    else this.#measure(canary, state, proxies.acknowledged);
    return {
      stableEndpoints: endpoints.stable,
      canaryEndpoints: endpoints.canary,
      ...proxies,
      ...this.#since(canary, state),
    };
  }

  /** Counting begins with the first round of questions that began after every proxy had acknowledged. */
  #measure(canary: CanaryConfig, state: CanaryState, acknowledged: boolean): void {
    const { clock, counts, countedSinceMs } = this.#options;
    const of = baselineName(canary, state);
    let baseline = this.#baselines.get(canary.key);
    if (baseline?.of !== of) {
      if (!acknowledged) {
        this.#baselines.delete(canary.key);
        return;
      }
      baseline = { of, acknowledgedMs: clock.monotonicMs(), counts: undefined, sinceMs: 0 };
      this.#baselines.set(canary.key, baseline);
    }
    if (baseline.counts === undefined && countedSinceMs() > baseline.acknowledgedMs) {
      baseline.counts = counts(canary);
      baseline.sinceMs = countedSinceMs();
    }
  }

  #since(
    canary: CanaryConfig,
    state: CanaryState,
  ): { readonly counts: CanaryCounts | undefined; readonly countedMs: number } {
    const baseline = this.#baselines.get(canary.key);
    if (baseline?.counts === undefined || baseline.of !== baselineName(canary, state)) {
      return { counts: undefined, countedMs: 0 };
    }
    const now = this.#options.counts(canary);
    const then = baseline.counts;
    return {
      counts: {
        canary: difference(now.canary, then.canary),
        stable: difference(now.stable, then.stable),
        lost: Math.max(0, now.lost - then.lost),
      },
      countedMs: this.#options.countedSinceMs() - baseline.sinceMs,
    };
  }
}

function baselineName(canary: CanaryConfig, state: CanaryState): string {
  return `${state.run} ${state.step} ${weightIn(state, canary)}`;
}

/** What made room in between counts as nothing, and not as less. */
function difference(now: Float64Array, then: Float64Array): Float64Array {
  const counts = emptyCounts();
  for (let i = 0; i < counts.length; i++) counts[i] = Math.max(0, (now[i] as number) - (then[i] as number));
  return counts;
}
