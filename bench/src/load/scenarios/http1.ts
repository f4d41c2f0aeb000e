import type { Scenario } from '../scenario.js';

/** The sidecar's everyday: small answers, many routes, every feature on. */
export const http1: Scenario = {
  name: 'http1',
  title: 'HTTP/1.1, 1 KB bodies, 64 connections, 50 virtual hosts × 20 routes, statistics, JSON access log',
  variants: [
    {
      name: '1 KB',
      kind: 'load',
      shape: { virtualHosts: 50, routesPerHost: 20 },
      bodySize: '1k',
      targets: 'all',
      connections: 64,
      latency: true,
    },
  ],
};
