import { findEnvoy } from './envoy.js';
import { findHaproxy } from './haproxy.js';
import { findHeddle } from './heddle.js';
import { findHttpProxy } from './http-proxy.js';
import { findNginx } from './nginx.js';
import { findNodeTls } from './node-tls.js';
import type { FoundSubject } from './subject.js';

/** The peer that ratios are taken to. */
export const ANCHOR = 'envoy';

/** Name of our own proxy on the Node that runs the benchmark. */
export const HEDDLE = 'heddle-proxy';

export const PEER_NAMES = ['envoy', 'nginx', 'haproxy', 'http-proxy', 'node-tls'] as const;
/** Who takes part where a scenario does not say. */
export const PROXIES: readonly string[] = [HEDDLE, 'envoy', 'nginx', 'haproxy', 'http-proxy'];

export type PeerName = (typeof PEER_NAMES)[number];

/** Looks for heddle-proxy, once for each Node, and for the named peers. */
export function findSubjects(nodes: readonly string[], peers: readonly PeerName[]): FoundSubject[] {
  const finders: Record<PeerName, () => FoundSubject> = {
    envoy: findEnvoy,
    nginx: findNginx,
    haproxy: findHaproxy,
    'http-proxy': () => findHttpProxy(process.execPath),
    'node-tls': () => findNodeTls(nodes.at(-1) ?? process.execPath),
  };
  return [
    ...nodes.map((node, index) => findHeddle(index === 0 ? HEDDLE : `${HEDDLE} #${index + 1}`, node)),
    ...peers.map((name) => finders[name]()),
  ];
}
