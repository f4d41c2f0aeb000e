import type { Clock, Logger } from '@heddle/common';
import type { Counter } from '../stats/stats-store.js';
import type { ClientContext } from './client-context.js';
import type { DataSources } from './data-sources.js';
import type { HandshakeQueue } from './handshake-queue.js';
import type { CertificateReader } from './leaf-certificate.js';
import type { SecretRegistry } from './secret-registry.js';
import type { ServerContext } from './server-context.js';
import type { SharedContexts } from './shared-contexts.js';

/** What all TLS contexts of one proxy share. */
export interface TlsShared {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: SecretRegistry;
  readonly sources: DataSources;
  readonly certificates: CertificateReader;
  readonly handshakes: HandshakeQueue;
  readonly serverContexts: SharedContexts<ServerContext>;
  readonly clientContexts: SharedContexts<ClientContext>;
  /** What threads derive the keys of session tickets from; undefined: there is one thread. */
  readonly ticketSecret: Buffer | undefined;
  /** Sessions that had to make room for others. */
  readonly sessionsEvicted: Counter;
}
