import type { envoy } from '@heddle/xds-protos';
import type { ClusterManager } from '../../cluster/cluster-manager.js';
import type { ListenerManager } from '../../listener/listener-manager.js';
import type { LabelledMetrics } from '../../stats/istio/labelled-metrics.js';
import type { StatsStore } from '../../stats/stats-store.js';
import type { DiscoveredResources } from '../../discovered-resources.js';
import type { Runtime } from '../../runtime/runtime.js';
import type { AdminPage } from '../admin-page.js';
import type { ContextCertificates } from '../../tls/transport.js';
import { certsPage } from './certs.js';
import { clustersPage } from './clusters.js';
import { configDumpPage } from './config-dump.js';
import { identityPages, type IdentityPagesOptions } from './identity.js';
import { listenersPage } from './listeners.js';
import { runtimePages } from './runtime.js';
import { serverPages, type ServerPagesOptions } from './server.js';
import { statsPages } from './stats.js';

export interface AdminPagesOptions {
  readonly stats: () => Pick<StatsStore, 'entries'>;
  readonly labelledMetrics: () => Pick<LabelledMetrics, 'families'>;
  /** Called before statistics are shown. */
  readonly refreshStats: () => void;
  readonly clusters: Pick<ClusterManager, 'status'>;
  readonly listeners: Pick<ListenerManager, 'status'>;
  readonly discovered: (typeUrl: string) => DiscoveredResources;
  readonly localSecrets: () => readonly DiscoveredResources[];
  readonly certificates: () => readonly ContextCertificates[];
  readonly nowMs: () => number;
  readonly bootstrap: () => envoy.config.bootstrap.v3.Bootstrap;
  /** Wall clock. */
  readonly startedAtMs: number;
  readonly isAddedByApi: (clusterName: string) => boolean;
  readonly identity: IdentityPagesOptions;
  readonly server: ServerPagesOptions;
  readonly runtime: Runtime;
  /** Hears of settings that were made. */
  readonly onRuntimeModified: (changes: ReadonlyMap<string, string>) => void;
}

/** Every admin page but the index, which is made of them. */
export function createAdminPages(options: AdminPagesOptions): readonly AdminPage[] {
  const { clusters, listeners } = options;
  return [
    clustersPage(() => clusters.status(), options.isAddedByApi),
    listenersPage(() => listeners.status()),
    configDumpPage({
      bootstrap: options.bootstrap,
      node: options.server.node,
      startedAtMs: options.startedAtMs,
      discovered: options.discovered,
      localSecrets: options.localSecrets,
      isWarming: (kind, name) =>
        kind === 'cluster'
          ? clusters.status().some((one) => one.config.name === name && one.state === 'warming')
          : listeners.status().some((one) => one.name === name && one.state === 'warming'),
    }),
    ...statsPages(options.stats, options.labelledMetrics, options.refreshStats),
    ...identityPages(options.identity),
    certsPage(options.certificates, options.nowMs),
    ...runtimePages(options.runtime, options.onRuntimeModified),
    ...serverPages(options.server),
  ];
}
