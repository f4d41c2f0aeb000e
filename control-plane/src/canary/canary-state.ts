import type { CanaryConfig } from '../model/canary.js';

/**
 * Where a canary is.
 *
 * `waiting`: for endpoints of both versions. `applying`: the weight of its step is on the way to the proxies. `observing`: it is
 * everywhere, and calls are counted. `paused`: it stays at its weight until somebody says otherwise, and is still ended when it fails.
 * The rest is for good, until there is another run.
 */
export type CanaryPhase =
  'waiting' | 'applying' | 'observing' | 'paused' | 'promoted' | 'rolled-back' | 'aborted';

/** What is kept across restarts. */
export interface CanaryState {
  readonly runId: string;
  /** Counts the runs of this canary. */
  readonly run: number;
  readonly phase: CanaryPhase;
  /** Index of the step. */
  readonly step: number;
  /** Wall clock, ms. */
  readonly runSinceMs: number;
  readonly stepSinceMs: number;
  readonly phaseSinceMs: number;
  /** Why it is there, for people. */
  readonly reason: string;
  /** When paused: whether its step has held already. */
  readonly stepHeld: boolean;
  /** What happened, the newest last. */
  readonly events: readonly CanaryEvent[];
}

export interface CanaryEvent {
  readonly atMs: number;
  readonly phase: CanaryPhase;
  /** Percent of the calls from then on. */
  readonly weight: number;
  readonly text: string;
}

const MAX_EVENTS = 60;

export function newRun(canary: CanaryConfig, run: number, nowMs: number): CanaryState {
  const text = 'waits for endpoints of both versions';
  return {
    ...{ runId: canary.runId, run, step: 0, stepHeld: false },
    phase: 'waiting',
    runSinceMs: nowMs,
    stepSinceMs: nowMs,
    phaseSinceMs: nowMs,
    reason: text,
    events: [{ atMs: nowMs, phase: 'waiting', weight: 0, text }],
  };
}

/** Percent of the calls that the canary gets in a state. */
export function weightIn({ phase, step }: Pick<CanaryState, 'phase' | 'step'>, canary: CanaryConfig): number {
  switch (phase) {
    case 'waiting':
    case 'rolled-back':
    case 'aborted':
      return 0;
    case 'promoted':
      return 100;
    case 'applying':
    case 'observing':
    case 'paused':
      return canary.steps[step]?.weight ?? 0;
  }
}

export function isOver({ phase }: CanaryState): boolean {
  return phase === 'promoted' || phase === 'rolled-back' || phase === 'aborted';
}

/** The next state, with its event. */
export function moved(
  state: CanaryState,
  canary: CanaryConfig,
  nowMs: number,
  to: { readonly phase: CanaryPhase; readonly step?: number; readonly stepHeld?: boolean },
  reason: string,
): CanaryState {
  const step = to.step ?? state.step;
  const next = {
    ...state,
    phase: to.phase,
    step,
    stepHeld: to.stepHeld ?? false,
    stepSinceMs: step === state.step && state.phase !== 'waiting' ? state.stepSinceMs : nowMs,
    phaseSinceMs: nowMs,
    reason,
  };
  const event = { atMs: nowMs, phase: to.phase, weight: weightIn(next, canary), text: reason };
  return { ...next, events: [...state.events, event].slice(-MAX_EVENTS) };
}
