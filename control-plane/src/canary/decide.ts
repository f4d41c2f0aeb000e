import type { CanaryConfig } from '../model/canary.js';
import { isOver, moved, newRun, type CanaryState } from './canary-state.js';
import { callsOf, judge, splitMismatch, type CanaryCounts } from './judge.js';

/** What a person may say to a canary. */
export const CANARY_COMMANDS = ['promote', 'pause', 'resume', 'abort', 'restart'] as const;
export type CanaryCommand = (typeof CANARY_COMMANDS)[number];

/** What is seen of the mesh at one moment. */
export interface CanaryObservation {
  /** Endpoints that are ready. */
  readonly stableEndpoints: number;
  readonly canaryEndpoints: number;
  /** Whether every proxy that routes to the host has taken the weights that are in force. */
  readonly acknowledged: boolean;
  /** Why a proxy refused them. */
  readonly refused: string | undefined;
  /** Calls since they are in force everywhere; undefined: that is not yet known. */
  readonly counts: CanaryCounts | undefined;
  /** Since then. Units: ms. */
  readonly countedMs: number;
}

/** After so many times the calls that a step needs, what is still not good is bad. */
const PATIENCE = 20;

/**
 * What follows from what is seen: the next state, or the same object when nothing does. Pure: every decision about every canary.
 *
 * Never does a step count that some proxy has not acknowledged, that had too few calls, or whose observed split is not the wanted one.
 */
export function decide(
  canary: CanaryConfig,
  state: CanaryState,
  seen: CanaryObservation,
  nowMs: number,
): CanaryState {
  if (state.runId !== canary.runId) return newRun(canary, state.run + 1, nowMs);
  if (isOver(state)) return state;
  if (state.step >= canary.steps.length) return rollBack('its steps are not there any more');
  if (state.phase === 'waiting') {
    if (seen.stableEndpoints === 0 || seen.canaryEndpoints === 0) return state;
    return moved(state, canary, nowMs, { phase: 'applying' }, `step 1 of ${canary.steps.length}`);
  }
  if (seen.canaryEndpoints === 0) return rollBack('no endpoint of the canary is ready');
  if (seen.refused !== undefined) return rollBack(`a proxy refused the weights: ${seen.refused}`);
  const step = canary.steps[state.step] as CanaryConfig['steps'][number];
  if (seen.counts !== undefined) {
    const early = judge(canary, seen.counts, true);
    if (early.kind === 'bad') return rollBack(early.reason);
  }
  if (state.phase === 'paused') return state;
  if (canary.stepTimeoutMs > 0 && nowMs - state.stepSinceMs >= canary.stepTimeoutMs) {
    return rollBack(`step ${state.step + 1} was not decided in time: ${openQuestion()}`);
  }
  if (state.phase === 'applying') {
    if (!seen.acknowledged || seen.counts === undefined) return withReason(openQuestion());
    return moved(
      state,
      canary,
      nowMs,
      { phase: 'observing' },
      `every proxy sends ${step.weight} % to the canary`,
    );
  }
  // After a restart it was not yet seen again that every proxy has the weights.
  if (!seen.acknowledged || seen.counts === undefined) return withReason(openQuestion());
  const calls = callsOf(seen.counts.canary) + seen.counts.lost;
  if (seen.countedMs < step.intervalMs || calls < canary.minRequests) return withReason(openQuestion());
  const verdict = judge(canary, seen.counts, false);
  if (verdict.kind === 'bad') return rollBack(verdict.reason);
  if (verdict.kind === 'unsure') {
    return calls >= PATIENCE * canary.minRequests
      ? rollBack(verdict.reason)
      : withReason(`more calls are needed: ${verdict.reason}`);
  }
  const mismatch = splitMismatch(canary, seen.counts, step.weight);
  if (mismatch !== undefined) return withReason(mismatch);
  const held = `step ${state.step + 1} held with ${calls} calls`;
  if (step.pause)
    return moved(state, canary, nowMs, { phase: 'paused', stepHeld: true }, `${held}; waits for "resume"`);
  return nextStep(canary, state, nowMs, held);

  function rollBack(why: string): CanaryState {
    return moved(state, canary, nowMs, { phase: 'rolled-back' }, why);
  }

  function withReason(reason: string): CanaryState {
    return reason === state.reason ? state : { ...state, reason };
  }

  function openQuestion(): string {
    if (!seen.acknowledged) return 'proxies have not taken the weights yet';
    if (seen.counts === undefined) return 'nothing was counted since every proxy has the weights';
    const own = callsOf(seen.counts.canary) + seen.counts.lost;
    if (own < canary.minRequests) return `${own} of at least ${canary.minRequests} calls`;
    if (seen.countedMs < step.intervalMs) {
      return `${own} calls, ${Math.ceil((step.intervalMs - seen.countedMs) / 1000)} s to go`;
    }
    return splitMismatch(canary, seen.counts, step.weight) ?? 'more calls are needed';
  }
}

/** What a person said; a text: why it cannot be. Pure. */
export function command(
  canary: CanaryConfig,
  state: CanaryState,
  said: CanaryCommand,
  nowMs: number,
): CanaryState | string {
  switch (said) {
    case 'promote':
      if (state.phase === 'promoted') return 'it is promoted already';
      return moved(state, canary, nowMs, { phase: 'promoted' }, 'promoted by hand');
    case 'abort':
      if (state.phase === 'aborted' || state.phase === 'rolled-back') return 'it gets no calls already';
      return moved(state, canary, nowMs, { phase: 'aborted' }, 'aborted by hand');
    case 'pause':
      if (state.phase !== 'applying' && state.phase !== 'observing')
        return `it is ${state.phase}: there is nothing to pause`;
      return moved(state, canary, nowMs, { phase: 'paused' }, 'paused by hand');
    case 'resume':
      if (state.phase !== 'paused') return `it is ${state.phase}, not paused`;
      if (state.stepHeld) return nextStep(canary, state, nowMs, 'resumed by hand');
      return {
        ...moved(state, canary, nowMs, { phase: 'applying' }, 'resumed by hand'),
        // What it waited for a person is not held against it.
        stepSinceMs: nowMs,
      };
    case 'restart':
      return newRun(canary, state.run + 1, nowMs);
  }
}

function nextStep(canary: CanaryConfig, state: CanaryState, nowMs: number, held: string): CanaryState {
  const next = state.step + 1;
  if (next >= canary.steps.length)
    return moved(state, canary, nowMs, { phase: 'promoted' }, `${held}; every step held`);
  return moved(
    state,
    canary,
    nowMs,
    { phase: 'applying', step: next },
    `${held}; step ${next + 1} of ${canary.steps.length}`,
  );
}
