import type { Scenario } from '../scenario.js';

/** The mesh's everyday: a pair of sidecars with mutual TLS between them, each side measured. */
export const mtls: Scenario = {
  name: 'mtls',
  title:
    'HTTP/1.1 over a pair with mutual TLS 1.3, 64 connections, 50 virtual hosts × 20 routes, statistics, JSON access log',
  variants: (['1k', '64k'] as const).flatMap((bodySize) =>
    (['client', 'server'] as const).map((side) => ({
      name: `${bodySize === '1k' ? '1 KB' : '64 KB'}, ${side} side`,
      kind: 'load' as const,
      shape: { virtualHosts: 50, routesPerHost: 20 },
      subjects: ['heddle-proxy', 'envoy'],
      bodySize,
      targets: 'all' as const,
      connections: 64,
      latency: bodySize === '1k' && side === 'client',
      mtls: side,
    })),
  ),
};
