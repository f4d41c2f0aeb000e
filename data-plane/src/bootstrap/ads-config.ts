import { isDeepStrictEqual } from 'node:util';
import type { AddressConfig, ClusterConfig } from '@heddle/engine';
import { envoy } from '@heddle/xds-protos';
import { WORKLOAD_CERTIFICATE_SECRET, WORKLOAD_TRUST_SECRET } from '../tls/secret-source.js';
import type { AdsConfig, AdsTarget } from './bootstrap-config.js';
import type { BootstrapFindings } from './bootstrap-findings.js';

type Bootstrap = envoy.config.bootstrap.v3.Bootstrap;
type ApiConfigSource = envoy.config.core.v3.ApiConfigSource;
type ConfigSource = envoy.config.core.v3.ConfigSource;
type GrpcService = envoy.config.core.v3.GrpcService;

const { ApiType } = envoy.config.core.v3.ApiConfigSource;
const DEFAULT_FETCH_TIMEOUT_MS = 15_000;

/**
 * The control plane that `dynamic_resources` names.
 * Source: envoy.config.bootstrap.v3.Bootstrap.DynamicResources.
 */
export function translateAdsConfig(
  bootstrap: Bootstrap,
  clusters: ReadonlyMap<string, ClusterConfig>,
  findings: BootstrapFindings,
): AdsConfig | undefined {
  const dynamic = bootstrap.dynamicResources;
  if (dynamic === null) return undefined;
  const path = 'dynamic_resources';
  if (dynamic.ldsResourcesLocator !== '' || dynamic.cdsResourcesLocator !== '') {
    findings.problem(path, 'resource locators (xdstp:) are not supported: leave them out');
  }
  const sources = [
    [dynamic.ldsConfig, `${path}.lds_config`],
    [dynamic.cdsConfig, `${path}.cds_config`],
  ] as const;
  const listeners = dynamic.ldsConfig !== null;
  const clustersToo = dynamic.cdsConfig !== null;
  const [ads, adsPath] = serverOf(dynamic.adsConfig, sources, path, findings);
  if (ads === undefined) return undefined;
  const isDelta = ads.apiType === ApiType.DELTA_GRPC;
  if (ads.apiType !== ApiType.GRPC && !isDelta) {
    const given = ApiType[ads.apiType] ?? String(ads.apiType);
    findings.problem(`${adsPath}.api_type`, `expected GRPC or DELTA_GRPC, found ${given}`);
  }
  if (ads.transportApiVersion !== envoy.config.core.v3.ApiVersion.V3) {
    findings.problem(`${adsPath}.transport_api_version`, 'expected V3: older versions of xDS are not spoken');
  }
  const [service, ...more] = ads.grpcServices;
  if (service === undefined) {
    findings.problem(`${adsPath}.grpc_services`, 'expected one gRPC service, found none');
    return undefined;
  }
  if (more.length > 0) findings.problem(`${adsPath}.grpc_services[1]`, 'only one gRPC service is supported');
  const servicePath = `${adsPath}.grpc_services[0]`;
  const target = translateTarget(service, servicePath, clusters, findings);
  if (target === undefined) return undefined;
  return Object.freeze({
    variant: isDelta ? 'delta' : 'sotw',
    streams: dynamic.adsConfig === null ? 'separate' : 'aggregated',
    target: Object.freeze(target),
    listeners,
    clusters: clustersToo,
    metadata: service.initialMetadata.map(({ key, value }) => [key.toLowerCase(), value] as const),
    initialFetchTimeoutMs: Math.max(fetchTimeoutMs(dynamic.ldsConfig), fetchTimeoutMs(dynamic.cdsConfig)),
  });
}

/** The one server that all comes from: that of the aggregated stream, or the one that listeners and clusters name. */
function serverOf(
  ads: ApiConfigSource | null,
  sources: readonly (readonly [ConfigSource | null, string])[],
  path: string,
  findings: BootstrapFindings,
): readonly [ApiConfigSource | undefined, string] {
  const named = sources.filter(([source]) => source !== null);
  if (ads !== null) {
    for (const [source, at] of named) {
      if (source?.configSourceSpecifier === 'ads') continue;
      const given = source?.configSourceSpecifier ?? 'nothing';
      findings.problem(at, `expected "ads: {}", found ${given}: what ads_config names is the only source`);
    }
    return [ads, `${path}.ads_config`];
  }
  let server: readonly [ApiConfigSource, string] | undefined;
  for (const [source, at] of named) {
    const own = source?.configSourceSpecifier === 'apiConfigSource' ? source.apiConfigSource : null;
    if (own === null) {
      const given = source?.configSourceSpecifier ?? 'nothing';
      findings.problem(
        at,
        given === 'ads'
          ? 'ads_config is missing, which "ads: {}" refers to'
          : `expected "ads: {}" or api_config_source, found ${given}`,
      );
    } else if (server === undefined) server = [own, `${at}.api_config_source`];
    else if (!isDeepStrictEqual(server[0], own)) {
      findings.problem(at, 'expected the same server as for listeners: all comes from one control plane');
    }
  }
  return server ?? [undefined, path];
}

/** How long what comes from a source is waited for; 0: without end. */
export function fetchTimeoutMs(source: ConfigSource | null): number {
  const timeout = source?.initialFetchTimeout;
  if (timeout === null || timeout === undefined) return source === null ? 0 : DEFAULT_FETCH_TIMEOUT_MS;
  return timeout.seconds * 1000 + timeout.nanos / 1e6;
}

function translateTarget(
  service: GrpcService,
  path: string,
  clusters: ReadonlyMap<string, ClusterConfig>,
  findings: BootstrapFindings,
): AdsTarget | undefined {
  if (service.targetSpecifier === 'googleGrpc' && service.googleGrpc !== null) {
    const google = service.googleGrpc;
    const at = `${path}.google_grpc`;
    const credentials = google.channelCredentials?.credentialSpecifier;
    if (credentials === 'sslCredentials' || credentials === 'googleDefault') {
      findings.problem(
        `${at}.channel_credentials`,
        "TLS to the control plane is by the workload's own identity: use envoy_grpc and a cluster with TLS",
      );
    }
    if (google.callCredentials.length > 0) {
      findings.problem(`${at}.call_credentials`, 'call credentials are not supported yet');
    }
    if (google.targetUri === '') {
      findings.problem(`${at}.target_uri`, 'is missing: expected an address such as 127.0.0.1:15010');
      return undefined;
    }
    return { name: google.targetUri, uri: google.targetUri, authority: '', security: 'none' };
  }
  if (service.targetSpecifier !== 'envoyGrpc' || service.envoyGrpc === null) {
    findings.problem(path, 'expected envoy_grpc or google_grpc, found neither');
    return undefined;
  }
  const { clusterName, authority } = service.envoyGrpc;
  const at = `${path}.envoy_grpc.cluster_name`;
  const cluster = clusters.get(clusterName);
  if (cluster === undefined) {
    const why = findings.isRefused(clusterName)
      ? 'has problems of its own'
      : 'is not among static_resources.clusters';
    findings.problem(at, `cluster "${clusterName}" ${why}`);
    return undefined;
  }
  const target = staticTarget(cluster);
  if (target === undefined) {
    findings.problem(
      at,
      `cluster "${clusterName}" has no fixed addresses: it must be STATIC, STRICT_DNS or LOGICAL_DNS`,
    );
    return undefined;
  }
  const security = securityOf(cluster, at, findings);
  return { ...target, ...(authority === '' ? {} : { authority }), security };
}

/** Where gRPC reaches a static cluster, in plain text; undefined where its endpoints are not fixed. */
export function staticTarget(cluster: ClusterConfig): AdsTarget | undefined {
  const uri = targetUri(cluster);
  if (uri === undefined) return undefined;
  // Envoy sends the cluster's name; not every name is an authority.
  const authority = /^[\w.-]+(?::\d+)?$/.test(cluster.name) ? cluster.name : '';
  return { name: cluster.name, uri, authority, security: 'none' };
}

/** TLS to the control plane is by the workload's own certificate, under the names that Istio's proxies have for it. */
function securityOf(
  { name, transportSocket }: ClusterConfig,
  at: string,
  findings: BootstrapFindings,
): AdsTarget['security'] {
  if (transportSocket.kind !== 'tls') return 'none';
  const { certificates, validation } = transportSocket;
  const isOwn =
    certificates.every((one) => one.kind === 'fetched' && one.secret.name === WORKLOAD_CERTIFICATE_SECRET) &&
    validation?.fetched?.name === WORKLOAD_TRUST_SECRET;
  if (!isOwn) {
    findings.problem(
      at,
      `cluster "${name}" must take its certificate from the secret ${WORKLOAD_CERTIFICATE_SECRET} and its roots from ${WORKLOAD_TRUST_SECRET}: no others are used for the control plane`,
    );
  }
  return 'identity';
}

/** The gRPC target of a cluster's endpoints. grpc-js takes a list only of one kind of address; the first kind leads. */
function targetUri(cluster: ClusterConfig): string | undefined {
  const { discovery } = cluster;
  if (discovery.kind === 'eds' || discovery.kind === 'original-dst') return undefined;
  const targets = discovery.endpoints.localities
    .flatMap((locality) => locality.endpoints)
    .flatMap(({ address }) => (address.kind === 'internal' ? [] : targetOf(address)));
  const first = targets[0];
  if (first === undefined) return undefined;
  if (first.scheme !== 'ipv4' && first.scheme !== 'ipv6') return `${first.scheme}:${first.address}`;
  const same = targets.filter((target) => target.scheme === first.scheme).map((target) => target.address);
  return `${first.scheme}:${same.join(',')}`;
}

function targetOf(address: Exclude<AddressConfig, { kind: 'internal' }>): {
  scheme: 'ipv4' | 'ipv6' | 'dns' | 'unix';
  address: string;
} {
  if (address.kind === 'pipe') return { scheme: 'unix', address: address.path };
  if (address.host.includes(':')) return { scheme: 'ipv6', address: `[${address.host}]:${address.port}` };
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address.host)) {
    return { scheme: 'ipv4', address: `${address.host}:${address.port}` };
  }
  return { scheme: 'dns', address: `///${address.host}:${address.port}` };
}
