import type { Scenario } from '../scenario.js';

const SETTLE_MS = 2_000;

/** What a sidecar weighs that has nothing to do, with a small and with a large configuration. */
export const idleMemory: Scenario = {
  name: 'idle-memory',
  title: 'Memory when idle, and the time from start to the first answer',
  variants: [
    { virtualHosts: 1, routesPerHost: 1 },
    { virtualHosts: 50, routesPerHost: 20 },
    { virtualHosts: 1_000, routesPerHost: 1 },
  ].map((shape) => ({
    name: `${shape.virtualHosts} virtual hosts and clusters × ${shape.routesPerHost} routes`,
    kind: 'idle',
    shape,
    settleMs: SETTLE_MS,
  })),
};
