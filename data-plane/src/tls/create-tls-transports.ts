import type { Clock, Logger } from '@heddle/common';
import type { StatsStore } from '../stats/stats-store.js';
import type { ClientContext } from './client-context.js';
import { withoutHttp2 } from './context-options.js';
import { contextProblems } from './context-secrets.js';
import type { DataSources } from './data-sources.js';
import { DownstreamTls } from './downstream-tls.js';
import { HandshakeQueue, type HandshakeQueueOptions } from './handshake-queue.js';
import { CertificateReader } from './leaf-certificate.js';
import type { SecretRegistry } from './secret-registry.js';
import type { ServerContext } from './server-context.js';
import { SharedContexts } from './shared-contexts.js';
import type { TlsShared } from './tls-shared.js';
import { TlsStats } from './tls-stats.js';
import type { TlsTransports } from './transport.js';
import { UpstreamTls } from './upstream-tls.js';

export interface TlsTransportsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly registry: SecretRegistry;
  readonly sources: DataSources;
  readonly ticketSecret?: Buffer | undefined;
  readonly handshakes?: Omit<HandshakeQueueOptions, 'stats'>;
}

/** Makes the transport sockets of one proxy. */
export function createTlsTransports(options: TlsTransportsOptions): TlsTransports {
  const { clock, log, stats, registry, sources } = options;
  const shared: TlsShared = {
    clock,
    log,
    registry,
    sources,
    ticketSecret: options.ticketSecret,
    certificates: new CertificateReader(),
    handshakes: new HandshakeQueue({ stats, ...options.handshakes }),
    serverContexts: new SharedContexts<ServerContext>(),
    clientContexts: new SharedContexts<ClientContext>(),
    sessionsEvicted: stats.counter('tls.client_sessions_evicted'),
  };
  return {
    problems: (config) => contextProblems(config, shared),
    downstream: (config, { statTags, speaks, timeoutMs }) =>
      new DownstreamTls(
        config,
        speaks === 'http1' ? withoutHttp2(config.alpnProtocols) : config.alpnProtocols,
        timeoutMs,
        new TlsStats(stats, 'listener', statTags),
        shared,
      ),
    upstream: (config, { statTags }) =>
      new UpstreamTls(config, new TlsStats(stats, 'cluster', statTags), shared),
    certificates: () =>
      [...shared.serverContexts.all(), ...shared.clientContexts.all()].map(({ material }) => ({
        chainsPem: material.certificates.map(({ chainPem }) => chainPem),
        rootsPem: material.trust?.rootsPem ?? '',
      })),
  };
}
