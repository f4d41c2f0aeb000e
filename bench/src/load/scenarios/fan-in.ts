import type { Scenario } from '../scenario.js';

/** Very many callers of one sidecar, each with a connection of its own: what every further one costs in memory and time. */
export const fanIn: Scenario = {
  name: 'fan-in',
  title: 'HTTP/1.1, 1 KB bodies, many connections in use at once, 50 virtual hosts × 20 routes',
  variants: [500, 2_000].map((connections) => ({
    name: `${connections} connections`,
    kind: 'load',
    shape: { virtualHosts: 50, routesPerHost: 20 },
    subjects: ['heddle-proxy', 'envoy'],
    bodySize: '1k',
    targets: 'all',
    connections,
    latency: false,
  })),
};
