import type { Clock, Logger, Random } from '@heddle/common';
import type { SecretConfig } from '@heddle/engine';
import type { BootstrapConfig } from '../bootstrap.js';
import type { ProxyIdentity } from '../identity/proxy-identity.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { XdsClient } from '../xds/xds-client.js';

export interface CreateXdsClientOptions {
  readonly config: BootstrapConfig;
  /** Proves who we are, where the control plane asks for that. */
  readonly identity: ProxyIdentity | undefined;
  /** What keeps a secret from being used; undefined: nothing. */
  readonly checkSecret: (secret: SecretConfig) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
}

/** The client of the control plane; undefined where the bootstrap names none. gRPC is loaded for it, and not without it. */
export async function createXdsClient(options: CreateXdsClientOptions): Promise<XdsClient | undefined> {
  const { identity, checkSecret, clock, random, log, stats } = options;
  const { ads, dns, node, stateDirectory } = options.config;
  if (ads === undefined) return undefined;
  const [{ XdsClient }, { createGrpcTransport }, { LastGoodStore }] = await Promise.all([
    import('../xds/xds-client.js'),
    import('../xds/grpc-transport.js'),
    import('../xds/last-good-store.js'),
  ]);
  const transport = await createGrpcTransport({
    target: ads.target,
    metadata: ads.metadata,
    service: ads.streams === 'separate' ? 'separate' : 'ads',
    ...(identity === undefined || ads.target.security === 'none'
      ? {}
      : { security: () => identity.security(), onUnauthenticated: () => identity.noteRefusal() }),
  });
  const lastGood =
    stateDirectory === undefined
      ? undefined
      : new LastGoodStore({
          directory: stateDirectory,
          nodeId: node.id,
          nodeCluster: node.cluster,
          clock,
          log,
          stats,
        });
  return new XdsClient({
    clock,
    random,
    log,
    stats,
    transport,
    variant: ads.variant,
    node,
    listeners: ads.listeners,
    clusters: ads.clusters,
    names: dns !== undefined,
    initialFetchTimeoutMs: ads.initialFetchTimeoutMs,
    checkSecret,
    lastGood,
  });
}
