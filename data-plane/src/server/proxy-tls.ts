import type { Clock, Logger, Random } from '@heddle/common';
import type { ClusterConfig, ListenerConfig, SecretConfig } from '@heddle/engine';
import { envoy, typeUrls } from '@heddle/xds-protos';
import type { AdsTarget } from '../bootstrap/bootstrap-config.js';
import type { DiscoveredResources } from '../discovered-resources.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { SecretConfigSource } from '../tls/configured-secrets.js';
import type { DataSources } from '../tls/data-sources.js';
import type { Secret } from '../tls/secret.js';
import {
  WORKLOAD_CERTIFICATE_SECRET,
  WORKLOAD_TRUST_SECRET,
  type SecretSource,
} from '../tls/secret-source.js';
import type { TlsTransports } from '../tls/transport.js';
import type { SdsClient } from '../xds/sds-client.js';

export interface ProxyTlsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly node: envoy.config.core.v3.Node;
  readonly environment: (name: string) => string | undefined;
  /** The bootstrap's. */
  readonly secrets: readonly SecretConfig[];
  /** The workload's own identity, if this process has it. */
  readonly inProcess: SecretSource | undefined;
  /** Secrets of the control plane's stream, if there is one. */
  readonly watchByAds: SecretConfigSource['watch'] | undefined;
  /** Where the SDS of a static cluster listens; undefined where there is no such cluster. */
  readonly sdsTarget: (cluster: string) => AdsTarget | undefined;
  /** Secrets of static clusters, where another thread asks them. */
  readonly watchBySds?: ((cluster: string) => SecretConfigSource['watch'] | undefined) | undefined;
  /** What session tickets are encrypted by in all threads of the process; undefined: each context for itself. */
  readonly ticketSecret?: Buffer | undefined;
}

/** What is loaded with the first context. */
interface Loaded {
  readonly transports: TlsTransports;
  readonly sources: DataSources;
  readonly problemOf: (secret: SecretConfig) => string | undefined;
  readonly sdsClient: (cluster: string) => SdsClient | undefined;
}

/**
 * TLS of one proxy: where its secrets come from, and the transport sockets made of them.
 *
 * Nothing of it is loaded before the first listener or cluster asks for TLS.
 */
export class ProxyTls {
  readonly #options: ProxyTlsOptions;
  readonly #sdsClients = new Map<string, SdsClient>();
  #loading: Promise<void> | undefined;
  #loaded: Loaded | undefined;

  constructor(options: ProxyTlsOptions) {
    this.#options = options;
  }

  /** undefined before `loadFor` found that it is needed. */
  get transports(): TlsTransports | undefined {
    return this.#loaded?.transports;
  }

  /** What keeps a secret from being used. Nobody asks for secrets before there are contexts. */
  problemOf(secret: SecretConfig): string | undefined {
    return this.#loaded?.problemOf(secret);
  }

  /** The SDS of a static cluster; undefined where there is none, or nothing has asked for TLS yet. */
  sdsClient(cluster: string): SdsClient | undefined {
    return this.#loaded?.sdsClient(cluster);
  }

  /** Makes ready what these ask for. */
  async loadFor(configs: readonly (ListenerConfig | ClusterConfig)[]): Promise<void> {
    if (this.#loaded !== undefined || !configs.some(usesTls)) return;
    this.#loading ??= this.#load();
    await this.#loading;
  }

  /** What `/config_dump` shows of secrets that come neither from the bootstrap nor from the control plane. Keys are left out. */
  localSecrets(): readonly DiscoveredResources[] {
    const agents = [...this.#sdsClients.values()].map((client) => client.resources());
    const { inProcess } = this.#options;
    if (inProcess === undefined) return agents;
    const names = [WORKLOAD_CERTIFICATE_SECRET, WORKLOAD_TRUST_SECRET];
    return [
      ownSecrets(
        inProcess,
        names.filter((name) => inProcess.claims(name)),
        this.#options.clock,
      ),
      ...agents,
    ];
  }

  close(): void {
    for (const client of this.#sdsClients.values()) client.close();
    this.#sdsClients.clear();
  }

  async #load(): Promise<void> {
    const [transports, registry, configured, dataSources, sds] = await Promise.all([
      import('../tls/create-tls-transports.js'),
      import('../tls/secret-registry.js'),
      import('../tls/configured-secrets.js'),
      import('../tls/data-sources.js'),
      import('../xds/sds-client.js'),
    ]);
    const { clock, log, stats, environment, inProcess, watchByAds } = this.#options;
    const sources = new dataSources.DataSources({ clock, environment });
    const problemOf = (secret: SecretConfig): string | undefined => {
      const reading = configured.readSecret(secret, sources);
      return reading.ok ? undefined : reading.problem;
    };
    const secretsOf = (configs: SecretConfigSource): SecretSource =>
      new configured.ConfiguredSecrets(configs, sources, log);
    const byCluster = new Map<string, SecretSource>();
    const sdsClient = (cluster: string): SdsClient | undefined =>
      this.#sdsClients.get(cluster) ?? this.#sdsClient(cluster, sds.SdsClient, problemOf);
    const { watchBySds, ticketSecret } = this.#options;
    const watchOf =
      watchBySds ??
      ((cluster: string): SecretConfigSource['watch'] | undefined => {
        const client = sdsClient(cluster);
        return client && ((name, watcher) => client.watch(name, watching(watcher)));
      });
    this.#loaded = {
      sources,
      problemOf,
      sdsClient,
      transports: transports.createTlsTransports({
        clock,
        log,
        stats,
        sources,
        ticketSecret,
        registry: new registry.SecretRegistry({
          inProcess,
          fixed: secretsOf(fixedSecrets(this.#options.secrets)),
          ads: watchByAds && secretsOf({ claims: () => true, watch: watchByAds }),
          grpc: (cluster) => {
            let source = byCluster.get(cluster);
            if (source !== undefined) return source;
            const watch = watchOf(cluster);
            if (watch === undefined) return undefined;
            source = secretsOf({ claims: () => true, watch });
            byCluster.set(cluster, source);
            return source;
          },
        }),
      }),
    };
  }

  #sdsClient(
    cluster: string,
    Client: typeof SdsClient,
    checkSecret: (secret: SecretConfig) => string | undefined,
  ): SdsClient | undefined {
    const target = this.#options.sdsTarget(cluster);
    if (target === undefined) return undefined;
    const { clock, random, log, stats, node } = this.#options;
    const client = new Client({
      clock,
      random,
      log,
      stats,
      name: cluster,
      node,
      variant: 'sotw',
      checkSecret,
      transport: async () => {
        const { createGrpcTransport } = await import('../xds/grpc-transport.js');
        return createGrpcTransport({ target, metadata: [], service: typeUrls.secret });
      },
    });
    this.#sdsClients.set(cluster, client);
    return client;
  }
}

type ConfigWatcher = Parameters<SecretConfigSource['watch']>[1];

function watching(watcher: ConfigWatcher): Parameters<SdsClient['watch']>[1] {
  return { onUpdate: (config) => watcher.onUpdate(config), onAbsent: () => watcher.onRemoved() };
}

/** The secrets of this process as SDS would send them, without their keys. */
function ownSecrets(source: SecretSource, names: readonly string[], clock: Clock): DiscoveredResources {
  const found = new Map<string, Secret>();
  for (const name of names) {
    source.watch(name, { onSecret: (secret) => found.set(name, secret), onRemoved: () => undefined }).close();
  }
  return {
    versionInfo: '',
    held: [...found].map(([name, secret]) => ({
      name,
      version: '',
      bytes: envoy.extensions.transport_sockets.tls.v3.Secret.encode({
        name,
        ...(secret.kind === 'certificate'
          ? {
              tlsCertificate: {
                certificateChain: { inlineString: secret.chainPem },
                privateKey: { inlineString: '[redacted]' },
              },
            }
          : { validationContext: { trustedCa: { inlineString: secret.rootsPem } } }),
      }).finish(),
      updatedAtMs: clock.nowMs(),
    })),
    missing: names.filter((name) => !found.has(name)),
    refused: [],
  };
}

function fixedSecrets(secrets: readonly SecretConfig[]): SecretConfigSource {
  const byName = new Map(secrets.map((secret) => [secret.name, secret]));
  return {
    claims: (name) => byName.has(name),
    watch: (name, watcher) => {
      const secret = byName.get(name);
      if (secret !== undefined) watcher.onUpdate(secret);
      return { close: () => undefined };
    },
  };
}

function usesTls(config: ListenerConfig | ClusterConfig): boolean {
  if ('filterChains' in config) {
    return [...config.filterChains, config.defaultFilterChain].some(
      (chain) => chain?.transportSocket.kind === 'tls',
    );
  }
  return [config, ...(config.transportSocketMatches ?? [])].some(
    ({ transportSocket }) => transportSocket.kind === 'tls',
  );
}
