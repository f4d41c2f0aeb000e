import { isIP } from 'node:net';
import {
  translateCluster,
  translateListener,
  translateSecret,
  type AddressConfig,
  type ClusterConfig,
  type CommonTlsConfig,
  type ListenerConfig,
  type RuntimeLayerConfig,
  type SecretConfig,
  type SecretReferenceConfig,
  type Translated,
  type UpstreamBindConfig,
} from '@heddle/engine';
import { envoy, fromJson, unknownFieldsOf, type ProtoProblem } from '@heddle/xds-protos';
import type { OverloadConfig } from '../overload/overload-config.js';
import { translateAdsConfig } from './ads-config.js';
import type { AdsConfig } from './bootstrap-config.js';
import { translateOverload } from './translate-overload.js';
import { translateRuntimeLayers } from './translate-runtime.js';
import { BootstrapFindings } from './bootstrap-findings.js';

const { InternalListener } = envoy.extensions.bootstrap.internal_listener.v3;

type Bootstrap = envoy.config.bootstrap.v3.Bootstrap;
type BindSource = envoy.config.core.v3.ISocketAddress | null | undefined;

/** What a bootstrap says, without what the command line adds. */
export interface TranslatedBootstrap {
  readonly message: Bootstrap;
  readonly adminAddress: AddressConfig | undefined;
  readonly listeners: readonly ListenerConfig[];
  readonly clusters: readonly ClusterConfig[];
  readonly secrets: readonly SecretConfig[];
  readonly upstreamBind: UpstreamBindConfig | undefined;
  readonly overload: OverloadConfig;
  readonly runtime: readonly RuntimeLayerConfig[];
  readonly ads: AdsConfig | undefined;
}

/** Extensions of the bootstrap that have no effect, whatever they are. */
const WITHOUT_EFFECT = /^(tracing\.|stats_sinks\[|bootstrap_extensions\[).*\.@type$/;

/**
 * Translates a bootstrap given as plain JSON.
 *
 * Source: envoy.config.bootstrap.v3.Bootstrap.
 * Shape: the bootstrap is undefined only when nothing of it could be read; it may be used when there are no problems.
 */
export function translateBootstrap(json: unknown): {
  readonly bootstrap: TranslatedBootstrap | undefined;
  readonly findings: BootstrapFindings;
} {
  const findings = new BootstrapFindings();
  const unread: ProtoProblem[] = [];
  const message = fromJson(envoy.config.bootstrap.v3.Bootstrap, json, unread) as Bootstrap | undefined;
  for (const { path, message: what } of unread) {
    // Whose kind is not known there has no effect anyway, and that is told of the whole.
    if (!WITHOUT_EFFECT.test(path)) findings.problem(path, what);
  }
  if (message === undefined) return { bootstrap: undefined, findings };
  for (const field of unknownFieldsOf(message)) {
    findings.warnings.push({ path: field.path, message: `unknown field number ${field.tag} has no effect` });
  }
  reportUnsupported(message, findings);

  const clusters = new Map<string, ClusterConfig>();
  for (const [i, cluster] of (message.staticResources?.clusters ?? []).entries()) {
    const path = `static_resources.clusters[${i}]`;
    if (cluster.loadAssignment !== null && cluster.loadAssignment.clusterName === '') {
      cluster.loadAssignment.clusterName = cluster.name;
    }
    const config = take(cluster.name, path, translateCluster(cluster), findings);
    if (clusters.has(cluster.name))
      findings.problem(`${path}.name`, `a second cluster is named "${cluster.name}"`);
    if (config !== undefined) clusters.set(cluster.name, config);
  }
  const listeners = new Map<string, ListenerConfig>();
  for (const [i, listener] of (message.staticResources?.listeners ?? []).entries()) {
    const path = `static_resources.listeners[${i}]`;
    // Envoy makes a name of its own for a listener without one.
    if (listener.name === '') listener.name = `static_listener_${i}`;
    const config = take(listener.name, path, translateListener(listener), findings);
    if (listeners.has(listener.name)) {
      findings.problem(`${path}.name`, `a second listener is named "${listener.name}"`);
    }
    if (config !== undefined) listeners.set(listener.name, config);
  }
  const secrets = new Map<string, SecretConfig>();
  for (const [i, secret] of (message.staticResources?.secrets ?? []).entries()) {
    const path = `static_resources.secrets[${i}]`;
    const config = take(secret.name, path, translateSecret(secret), findings);
    if (secrets.has(secret.name)) {
      findings.problem(`${path}.name`, `a second secret is named "${secret.name}"`);
    }
    if (config !== undefined) secrets.set(secret.name, config);
  }
  checkSecrets(clusters, listeners, secrets, findings);
  const ads = translateAdsConfig(message, clusters, findings);
  checkReferences(clusters, listeners, ads, findings);
  return {
    bootstrap: {
      message,
      adminAddress: translateAdminAddress(message, findings),
      listeners: [...listeners.values()],
      clusters: [...clusters.values()],
      secrets: [...secrets.values()],
      upstreamBind: translateUpstreamBind(message, findings),
      overload: translateOverload(message.overloadManager, findings),
      runtime: translateRuntimeLayers(message.layeredRuntime, ads !== undefined, findings),
      ads,
    },
    findings,
  };
}

/** Takes a translation over, without what is only missing because it could not be read. */
function take<T>(
  name: string,
  path: string,
  translated: Translated<T>,
  findings: BootstrapFindings,
): T | undefined {
  if (translated.ok) return findings.take(name, path, translated);
  const unread = findings.problems.map((problem) => problem.path).filter((one) => one.startsWith(path));
  const problems = translated.problems.filter((problem) => {
    const at = `${path}.${problem.path}`;
    return !unread.some((one) => one === at || one.startsWith(`${at}.`) || one.startsWith(`${at}[`));
  });
  return findings.take<T>(name, path, { ok: false, problems });
}

/** A context that refers to a secret of the bootstrap which is not there would never work. */
function checkSecrets(
  clusters: ReadonlyMap<string, ClusterConfig>,
  listeners: ReadonlyMap<string, ListenerConfig>,
  secrets: ReadonlyMap<string, SecretConfig>,
  findings: BootstrapFindings,
): void {
  const check = (path: string, what: string, socket: { readonly kind: 'raw' } | CommonTlsConfig): void => {
    if (socket.kind === 'raw') return;
    for (const { name, source } of secretReferences(socket)) {
      if (source.kind !== 'static' || secrets.has(name) || findings.isRefused(name)) continue;
      findings.problem(
        path,
        `${what} needs the secret "${name}", which is not among static_resources.secrets`,
      );
    }
  };
  for (const cluster of clusters.values()) {
    for (const { transportSocket } of [cluster, ...(cluster.transportSocketMatches ?? [])]) {
      check('static_resources.clusters', `cluster "${cluster.name}"`, transportSocket);
    }
  }
  for (const listener of listeners.values()) {
    for (const chain of [...listener.filterChains, listener.defaultFilterChain]) {
      if (chain !== undefined) {
        check('static_resources.listeners', `listener "${listener.name}"`, chain.transportSocket);
      }
    }
  }
}

function secretReferences(context: CommonTlsConfig): readonly SecretReferenceConfig[] {
  const { certificates, validation } = context;
  return [
    ...certificates.flatMap((one) => (one.kind === 'fetched' ? [one.secret] : [])),
    ...(validation?.fetched === undefined ? [] : [validation.fetched]),
  ];
}

/** A reference to xDS without an xDS server would wait for ever. */
function checkReferences(
  clusters: ReadonlyMap<string, ClusterConfig>,
  listeners: ReadonlyMap<string, ListenerConfig>,
  ads: AdsConfig | undefined,
  findings: BootstrapFindings,
): void {
  if (
    ads !== undefined ||
    findings.problems.some((problem) => problem.path.startsWith('dynamic_resources'))
  ) {
    return;
  }
  const missing = 'but dynamic_resources.ads_config names no control plane';
  for (const cluster of clusters.values()) {
    if (cluster.discovery.kind === 'eds') {
      findings.problem(
        'static_resources.clusters',
        `cluster "${cluster.name}" gets its endpoints by EDS, ${missing}`,
      );
    }
  }
  for (const listener of listeners.values()) {
    const chains = [...listener.filterChains];
    if (listener.defaultFilterChain !== undefined) chains.push(listener.defaultFilterChain);
    for (const filter of chains.flatMap((chain) => chain.filters)) {
      if (filter.kind === 'http-connection-manager' && filter.config.routes.kind === 'rds') {
        findings.problem(
          'static_resources.listeners',
          `listener "${listener.name}" gets its routes by RDS, ${missing}`,
        );
      }
      if (
        filter.kind === 'http-connection-manager' &&
        filter.config.routes.kind === 'scoped' &&
        (filter.config.routes.config.scopes ?? [undefined]).some((scope) => scope?.routes.kind !== 'inline')
      ) {
        findings.problem(
          'static_resources.listeners',
          `listener "${listener.name}" gets its scopes of routes by SRDS or their routes by RDS, ${missing}`,
        );
      }
      const within = filter.kind === 'http-connection-manager' ? filter.config.httpFilters : [];
      for (const one of [filter, ...within].filter((each) => 'discovery' in each)) {
        findings.problem(
          'static_resources.listeners',
          `listener "${listener.name}" gets its filter "${one.name}" by ECDS, ${missing}`,
        );
      }
    }
  }
}

function translateAdminAddress(message: Bootstrap, findings: BootstrapFindings): AddressConfig | undefined {
  const address = message.admin?.address ?? null;
  if (address === null) return undefined;
  const path = 'admin.address';
  if (address.address === 'pipe' && address.pipe !== null) {
    return { kind: 'pipe', path: address.pipe.path, mode: address.pipe.mode };
  }
  const socket = address.address === 'socketAddress' ? address.socketAddress : null;
  if (socket === null) {
    findings.problem(path, 'expected socket_address or pipe');
    return undefined;
  }
  if (socket.portSpecifier === 'namedPort') {
    findings.problem(
      `${path}.socket_address.named_port`,
      'expected port_value: named ports are not supported',
    );
  }
  const port = socket.portValue ?? 0;
  if (port > 65_535)
    findings.problem(`${path}.socket_address.port_value`, `expected 0 to 65535, found ${port}`);
  if (socket.address === '') findings.problem(`${path}.socket_address.address`, 'must be set');
  return { kind: 'socket', host: socket.address, port, protocol: 'tcp' };
}

/** Source: envoy.config.bootstrap.v3.ClusterManager.upstream_bind_config. */
function translateUpstreamBind(
  message: Bootstrap,
  findings: BootstrapFindings,
): UpstreamBindConfig | undefined {
  const bind = message.clusterManager?.upstreamBindConfig ?? null;
  if (bind === null) return undefined;
  const path = 'cluster_manager.upstream_bind_config';
  findings.ignored(`${path}.freebind`, bind.freebind !== null);
  findings.ignored(`${path}.socket_options`, bind.socketOptions.length > 0);
  const sourceAddress = (source: BindSource, place: string): readonly AddressConfig[] => {
    const host = source?.address ?? '';
    if (isIP(host) !== 0) return [{ kind: 'socket', host, port: source?.portValue ?? 0, protocol: 'tcp' }];
    findings.problem(`${path}.${place}.address`, `expected an IP address, found ${JSON.stringify(host)}`);
    return [];
  };
  const [bindAddress] = sourceAddress(bind.sourceAddress, 'source_address');
  const extraBindAddresses = bind.extraSourceAddresses.flatMap(({ address }, i) =>
    sourceAddress(address, `extra_source_addresses[${i}].address`),
  );
  if (bindAddress === undefined) return undefined;
  return extraBindAddresses.length === 0 ? { bindAddress } : { bindAddress, extraBindAddresses };
}

function reportUnsupported(message: Bootstrap, findings: BootstrapFindings): void {
  findings.ignored('hds_config', message.hdsConfig !== null);
  findings.ignored('flags_path', message.flagsPath !== '');
  findings.ignored('stats_eviction_interval', message.statsEvictionInterval !== null);
  findings.ignored('stats_sinks', message.statsSinks.length > 0);
  findings.ignored('tracing', message.tracing !== null);
  findings.ignored('header_prefix', message.headerPrefix !== '');
  message.bootstrapExtensions.forEach(({ typedConfig }, i) => {
    // Listeners inside the process are always allowed.
    const isKnown = typedConfig?.typeUrl.endsWith(`/${InternalListener.typeName}`) === true;
    findings.ignored(`bootstrap_extensions[${i}]`, !isKnown);
  });
  findings.ignored('fatal_actions', message.fatalActions.length > 0);
  findings.ignored('config_sources', message.configSources.length > 0);
  findings.ignored('default_config_source', message.defaultConfigSource !== null);
  findings.ignored('typed_dns_resolver_config', message.typedDnsResolverConfig !== null);
  findings.ignored('xds_delegate_extension', message.xdsDelegateExtension !== null);
  findings.ignored('xds_config_tracker_extension', message.xdsConfigTrackerExtension !== null);
  findings.ignored(
    'cluster_manager.load_stats_config',
    (message.clusterManager?.loadStatsConfig ?? null) !== null,
  );
  findings.ignored('admin.access_log', (message.admin?.accessLog.length ?? 0) > 0);
  findings.ignored('stats_config.stats_tags', (message.statsConfig?.statsTags.length ?? 0) > 0);
  findings.ignored('stats_config.stats_matcher', (message.statsConfig?.statsMatcher ?? null) !== null);
}
