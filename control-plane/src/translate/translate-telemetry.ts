import { canonicalService } from '@heddle/engine';
import { io, packAny, stats, type envoy, type google } from '@heddle/xds-protos';
import { CLUSTER_ID } from '../model/cluster-id.js';
import type { Endpoint, Service } from '../model/mesh-model.js';
import type { ProxyView } from './proxy-view.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type NetworkFilter = envoy.config.listener.v3.IFilter;
type Side = 'inbound' | 'outbound' | 'gateway';

const { Config } = io.istio.http.peer_metadata;
const headers = { istioHeaders: {} };

/** Only peers in the mesh are told who calls, unlike by Istio's default. */
const insideOnly = { istioHeaders: { skipExternalClusters: true } };

const exchange = (config: io.istio.http.peer_metadata.IConfig): HttpFilter => ({
  name: 'istio.metadata_exchange',
  typedConfig: packAny(Config, config),
});

const inboundExchange = exchange({ downstreamDiscovery: [headers], downstreamPropagation: [headers] });
const outboundExchange = exchange({ upstreamDiscovery: [headers], upstreamPropagation: [insideOnly] });

const metrics = (config: stats.IPluginConfig): NetworkFilter & HttpFilter => ({
  name: 'istio.stats',
  typedConfig: packAny(stats.PluginConfig, config),
});

/** What the application asks for is worth telling; what anybody asks a sidecar or a gateway for is not. */
const outboundMetrics = metrics({});
const otherMetrics = metrics({ disableHostHeaderFallback: true });

/**
 * The HTTP filters by which proxies tell each other who they are, and by which they count: the first and the last of a chain
 * before its router. Proxies that do not have Istio's filters get none.
 *
 * Source: what Istio's control plane gives sidecars and gateways.
 */
export function telemetryFilters(
  view: ProxyView,
  side: Side,
): { readonly first: readonly HttpFilter[]; readonly last: readonly HttpFilter[] } {
  if (!view.istioFilters) return { first: [], last: [] };
  return {
    first: [side === 'inbound' ? inboundExchange : outboundExchange],
    last: [side === 'outbound' ? outboundMetrics : otherMetrics],
  };
}

/** The network filters before a TCP proxy. */
export function tcpTelemetryFilters(view: ProxyView): readonly NetworkFilter[] {
  return view.istioFilters ? [otherMetrics] : [];
}

/** What a cluster's metadata says of the service behind it: the destination that metrics name. */
export function serviceMetadata(destination: Service): envoy.config.core.v3.IMetadata {
  const { hostname, namespace, external, kind } = destination;
  // Istio calls a ServiceEntry by its host.
  const name = kind === 'ServiceEntry' ? hostname : destination.name;
  const text = (stringValue: string): google.protobuf.IValue => ({ stringValue });
  const service = { fields: { host: text(hostname), name: text(name), namespace: text(namespace) } };
  const fields: Record<string, google.protobuf.IValue> = {
    services: { listValue: { values: [{ structValue: service }] } },
  };
  if (external) fields['external'] = { boolValue: true };
  return { filterMetadata: { istio: { fields } } };
}

/** What an endpoint's metadata says of the workload there. Source: Istio's endpoints, `istio.workload`. */
export function workloadMetadata(endpoint: Endpoint): Record<string, google.protobuf.IStruct> {
  const { workloadName, namespace, labels } = endpoint;
  if (workloadName === '') return {};
  const { name, revision } = canonicalService(labels, workloadName);
  // A name with a semicolon would say something else.
  const parts = [workloadName, namespace, name, revision, CLUSTER_ID];
  if (parts.some((part) => part.includes(';'))) return {};
  return { istio: { fields: { workload: { stringValue: parts.join(';') } } } };
}
