import type { Scenario } from '../scenario.js';

/** Whether a long routing table costs more than a short one: every request matches the last route. */
export const routes: Scenario = {
  name: 'routes',
  title: 'HTTP/1.1, 1 KB bodies, 64 connections, the last of N prefix routes of one virtual host',
  variants: [1, 1_000, 10_000].map((routesPerHost) => ({
    name: `${routesPerHost} routes`,
    kind: 'load',
    shape: { virtualHosts: 1, routesPerHost },
    // http-proxy has no routing of its own to compare.
    subjects: ['heddle-proxy', 'envoy', 'nginx', 'haproxy'],
    bodySize: '1k',
    targets: 'last',
    connections: 64,
    latency: false,
  })),
};
