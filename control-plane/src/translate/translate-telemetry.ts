import { canonicalService } from '@heddle/engine';
import { io, packAny, stats, type envoy, type google } from '@heddle/xds-protos';
import { CLUSTER_ID } from '../model/cluster-id.js';
import type { Endpoint, MeshModel, Service } from '../model/mesh-model.js';
import { TELEMETRY_METRICS } from '../model/telemetry-metrics.js';
import { effectiveTelemetry, type MetricOverride } from '../model/telemetry.js';
import type { ProxyView } from './proxy-view.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;
type NetworkFilter = envoy.config.listener.v3.IFilter;

/** Where a listener stands in the mesh. */
export type ListenerSide = 'inbound' | 'outbound' | 'gateway';

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

/** Where connections come in, and what is told of them. */
export interface ChainSettings {
  readonly view: ProxyView;
  readonly side: ListenerSide;
  /** The HTTP filters by which proxies tell each other who they are, and by which they count: before all others and after. */
  readonly firstFilters: readonly HttpFilter[];
  readonly lastFilters: readonly HttpFilter[];
  /** The network filters before a TCP proxy. */
  readonly tcpFilters: readonly NetworkFilter[];
  readonly logs: boolean;
  /** Its connections came through tunnels. */
  readonly isTunnelled?: boolean;
}

/**
 * What is told of the connections at one side of a proxy. Proxies that do not have Istio's filters get none.
 *
 * Source: what Istio's control plane gives sidecars and gateways, and `Telemetry`.
 */
export function chainSettings(model: MeshModel, view: ProxyView, side: ListenerSide): ChainSettings {
  const mode = side === 'inbound' ? 'server' : 'client';
  const { metrics, logs } = effectiveTelemetry(model.telemetries, view, mode);
  if (!view.istioFilters) return { view, side, firstFilters: [], lastFilters: [], tcpFilters: [], logs };
  const counting = metrics === 'off' ? [] : [statsFilter(side, metrics)];
  return {
    view,
    side,
    firstFilters: [side === 'inbound' ? inboundExchange : outboundExchange],
    lastFilters: counting,
    tcpFilters: counting,
    logs,
  };
}

function statsFilter(side: ListenerSide, overrides: readonly MetricOverride[]): NetworkFilter & HttpFilter {
  return {
    name: 'istio.stats',
    typedConfig: packAny(stats.PluginConfig, {
      // What the application asks for is worth telling; what anybody asks a sidecar or a gateway for is not.
      disableHostHeaderFallback: side !== 'outbound',
      metrics: overrides.map(({ metric, disabled, removed, set }) => ({
        name: TELEMETRY_METRICS[metric],
        drop: disabled,
        tagsToRemove: [...removed],
        dimensions: { ...set },
      })),
    }),
  };
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
