import type { Scenario } from '../scenario.js';

const NOTHING_ROUTED = { virtualHosts: 1, routesPerHost: 1 };

/** What it costs to begin a mutual TLS 1.3 connection: accept, handshake, one byte there and back, close. */
export const handshakes: Scenario = {
  name: 'handshakes',
  title: 'Mutual TLS 1.3 handshakes, ECDSA P-256, eight at a time',
  variants: [false, true].flatMap((resumes) =>
    (['server', 'client'] as const).map((side) => ({
      name: `${resumes ? 'resumed' : 'full'}, ${side} side`,
      kind: 'handshakes' as const,
      shape: NOTHING_ROUTED,
      subjects: ['heddle-proxy', 'envoy', 'node-tls'],
      side,
      resumes,
    })),
  ),
};

/** Everybody comes at once, and somebody who is there already wants to be served meanwhile. */
export const storm: Scenario = {
  name: 'storm',
  title: '2,000 mutual TLS connections at once, beside one that is in use',
  variants: [
    {
      name: '2,000 at once',
      kind: 'storm',
      shape: NOTHING_ROUTED,
      subjects: ['heddle-proxy', 'envoy', 'node-tls'],
      connections: 2_000,
    },
  ],
};
