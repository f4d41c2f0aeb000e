import type { RoutingShape } from '../../subjects/routing-shape.js';
import type { Scenario } from '../scenario.js';

const SETTLE_MS = 2_000;

function nameOf({ virtualHosts, routesPerHost, endpointsPerHost }: RoutingShape): string {
  const endpoints = endpointsPerHost === undefined ? '' : `, ${endpointsPerHost} endpoints each`;
  return `${virtualHosts} virtual hosts and clusters × ${routesPerHost} routes${endpoints}`;
}

const SHAPES: readonly RoutingShape[] = [
  { virtualHosts: 1, routesPerHost: 1 },
  { virtualHosts: 50, routesPerHost: 20 },
  { virtualHosts: 1_000, routesPerHost: 1, endpointsPerHost: 10 },
];

/** What a sidecar weighs that has nothing to do, with a small and with a large configuration. */
export const idleMemory: Scenario = {
  name: 'idle-memory',
  title: 'Memory when idle, and the time from start to the first answer',
  variants: SHAPES.map((shape) => ({
    name: nameOf(shape),
    kind: 'idle',
    shape,
    settleMs: SETTLE_MS,
    // nginx and haproxy are given one endpoint each, whatever the shape says.
    ...(shape.endpointsPerHost === undefined ? {} : { subjects: ['heddle-proxy', 'envoy'] }),
  })),
};
