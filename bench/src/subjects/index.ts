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
/** No proxies: they take part where a scenario names them. */
export const ONLY_WHERE_NAMED: readonly string[] = ['node-tls'];

export type PeerName = (typeof PEER_NAMES)[number];

/** Looks for heddle-proxy, once for each Node, and for the named peers; each is to serve in so many threads. */
export function findSubjects({
  nodes,
  peers,
  concurrency,
}: {
  readonly nodes: readonly string[];
  readonly peers: readonly PeerName[];
  readonly concurrency: number;
}): FoundSubject[] {
  const oneThreadOf = (name: string, find: () => FoundSubject): FoundSubject =>
    concurrency === 1 ? find() : { name, missing: 'it has one thread that serves' };
  const finders: Record<PeerName, () => FoundSubject> = {
    envoy: () => findEnvoy(concurrency),
    nginx: () => findNginx(concurrency),
    haproxy: () => findHaproxy(concurrency),
    'http-proxy': () => oneThreadOf('http-proxy', () => findHttpProxy(process.execPath)),
    'node-tls': () => oneThreadOf('node-tls', () => findNodeTls(nodes.at(-1) ?? process.execPath)),
  };
  return [
    ...nodes.map((node, index) =>
      findHeddle(index === 0 ? HEDDLE : `${HEDDLE} #${index + 1}`, node, concurrency),
    ),
    ...peers.map((name) => finders[name]()),
  ];
}
