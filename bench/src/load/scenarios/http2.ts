import type { Http2Use } from '../http2-load.js';
import type { Scenario, ScenarioVariant } from '../scenario.js';

const shape = { virtualHosts: 50, routesPerHost: 20 };

const NAMES: Readonly<Record<Http2Use, string>> = {
  get: '1 KB',
  unary: 'gRPC unary, 200 B',
  streaming: 'gRPC streaming, per message of 200 B',
};

function variant(connections: number, streams: number, use: Http2Use = 'get'): ScenarioVariant {
  return {
    name: `${NAMES[use]}, ${connections} × ${streams} streams`,
    kind: 'load',
    shape,
    bodySize: '1k',
    targets: 'all',
    connections,
    latency: false,
    http2: { streams, use },
    subjects: ['heddle-proxy', 'envoy'],
  };
}

/** Small messages over few connections, and one stream at a time, where nothing can be written together. */
export const http2: Scenario = {
  name: 'http2',
  title: 'HTTP/2 on both sides, 50 virtual hosts × 20 routes, statistics, JSON access log',
  variants: [
    variant(8, 16),
    variant(8, 1),
    variant(64, 1),
    variant(8, 16, 'unary'),
    variant(8, 16, 'streaming'),
  ],
};
