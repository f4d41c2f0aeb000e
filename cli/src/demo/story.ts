import { canarySteps } from './steps/canary.js';
import { failureSteps } from './steps/failure.js';
import { identitySteps } from './steps/identity.js';
import { routingSteps } from './steps/routing.js';
import type { StoryStep } from './story-step.js';

/** The story, in order; each step builds on the state that the one before left. */
export const story: readonly StoryStep[] = [
  ...routingSteps,
  ...canarySteps,
  ...identitySteps,
  ...failureSteps,
];
