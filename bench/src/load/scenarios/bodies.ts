import type { Scenario, ScenarioVariant } from '../scenario.js';

const shape = { virtualHosts: 50, routesPerHost: 20 };

function variant(name: string, bodySize: '64k' | '1m', connections: number): ScenarioVariant {
  return { name, kind: 'load', shape, bodySize, targets: 'all', connections, latency: false };
}

/** Where copying costs more than parsing. */
export const bodies: Scenario = {
  name: 'bodies',
  title: 'HTTP/1.1, large bodies, 50 virtual hosts × 20 routes, statistics, JSON access log',
  variants: [variant('64 KB', '64k', 64), variant('1 MB', '1m', 16)],
};
