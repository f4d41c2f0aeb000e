import type { CanaryView } from '@heddle/control-plane/dashboard-api';
import { Checks } from '../checks.js';
import { versionsOf } from '../shop-client.js';
import type { Stage } from '../stage.js';
import type { StoryStep } from '../story-step.js';

const DECIDED_WITHIN_MS = 60_000;
const IN_FORCE_WITHIN_MS = 10_000;
const SAMPLES = 40;

/** Releases that get their traffic step by step. */
export const canarySteps: readonly StoryStep[] = [
  {
    title: 'A canary is promoted by what its callers measured',
    explanation:
      'A Canary gives reviews v2 a quarter of the calls, then more, while they succeed. The VirtualService still says 90 to 10.',
    applies: { story: '13-canary.yaml', as: 'canary.yaml' },
    async run(stage) {
      const checks = new Checks();
      const canary = await decided(stage, checks, 'promoted');
      const weights = [...new Set((canary?.events ?? []).map(({ weight }) => weight))];
      checks.that(weights.join(' ') === '0 25 60 100', `its weights were ${weights.join(', ')}`);
      const answers = await stage.client.sample(SAMPLES, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const { v2 = 0 } = versionsOf(answers, 'reviews');
      checks.that(v2 === SAMPLES, `v2 got ${v2} of ${SAMPLES} pages after it was promoted`);
      checks.figure(`0, 25, 60, 100 % within ${seconds(canary)} s; now ${v2} of ${SAMPLES} pages show v2`);
      return checks.result();
    },
  },
  {
    title: 'A slow canary is rolled back by itself',
    explanation:
      'The next reviews take a second and a half. Their calls are measured at the callers: one in five got them, for some seconds.',
    applies: { story: '14-slow-canary.yaml', as: 'canary.yaml' },
    async run(stage) {
      const checks = new Checks();
      const failedBefore = stage.load.failed;
      const canary = await decided(stage, checks, 'rolled-back');
      checks.that(/p90/.test(canary?.reason ?? ''), `it was rolled back because ${canary?.reason}`);
      const answers = await stage.client.sample(SAMPLES, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const { v4 = 0 } = versionsOf(answers, 'reviews');
      checks.that(v4 === 0, `${v4} of ${SAMPLES} pages still show it`);
      checks.that(stage.load.failed === failedBefore, 'requests failed meanwhile');
      checks.figure(`rolled back after ${seconds(canary)} s: ${canary?.reason}; no request failed`);
      await stage.remove('canary.yaml');
      return checks.result();
    },
  },
];

/** Waits for what becomes of the canary of the newest edit. */
async function decided(
  stage: Stage,
  checks: Checks,
  expected: CanaryView['phase'],
): Promise<CanaryView | undefined> {
  const isOver = (canary: CanaryView): boolean =>
    canary.phase === 'promoted' || canary.phase === 'rolled-back' || canary.phase === 'aborted';
  const runBefore = (await stage.canary('reviews'))?.run ?? 0;
  let canary: CanaryView | undefined;
  const isDecided = await stage.eventually(async () => {
    canary = await stage.canary('reviews');
    if (canary === undefined) return false;
    const isNew = canary.phase === expected || canary.run > runBefore;
    return isNew && isOver(canary);
  }, DECIDED_WITHIN_MS);
  checks.that(isDecided, `nothing was decided within ${DECIDED_WITHIN_MS / 1000} s: ${canary?.reason}`);
  checks.that(canary?.phase === expected, `it is ${canary?.phase}: ${canary?.reason}`);
  // It is decided before every proxy has the weights that follow from it.
  await stage.eventually(async () => (await stage.convergence()).converged, IN_FORCE_WITHIN_MS);
  return canary;
}

function seconds(canary: CanaryView | undefined): string {
  if (canary === undefined) return '?';
  return ((canary.phaseSinceMs - canary.runSinceMs) / 1000).toFixed(1);
}
