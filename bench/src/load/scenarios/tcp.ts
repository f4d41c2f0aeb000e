import type { Scenario } from '../scenario.js';

/** Bytes that nobody looks at: what a connection costs, and what they cost in bulk, by four connections. */
export const tcp: Scenario = {
  name: 'tcp',
  title: 'TCP relayed as it is, statistics, JSON access log',
  variants: (['connections', 'download', 'upload'] as const).map((does) => ({
    name: does === 'connections' ? 'one byte there and back for each connection' : `bulk, ${does}`,
    kind: 'tcp' as const,
    shape: { virtualHosts: 1, routesPerHost: 1 },
    subjects: ['heddle-proxy', 'envoy', 'haproxy'],
    does,
  })),
};
