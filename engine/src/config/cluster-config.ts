import type { DynamicMetadata } from '../http/stream-info.js';
import type { AddressConfig } from './address.js';
import type { EndpointsConfig } from './endpoints-config.js';
import type { HealthCheckConfig } from './health-check-config.js';
import type { Http2Config } from './http2-config.js';
import type { OutlierDetectionConfig } from './outlier-detection-config.js';
import type { TransportSocketMatchConfig, UpstreamSocketConfig } from './transport-socket-config.js';

/** A cluster, translated. Source: envoy.config.cluster.v3.Cluster. Times in ms. */
export interface ClusterConfig {
  readonly name: string;
  readonly altStatName: string;
  readonly discovery:
    | { readonly kind: 'static'; readonly endpoints: EndpointsConfig }
    | {
        readonly kind: 'strict-dns' | 'logical-dns';
        readonly endpoints: EndpointsConfig;
        readonly dns: DnsConfig;
      }
    | { readonly kind: 'eds'; readonly serviceName: string; readonly initialFetchTimeoutMs: number }
    | {
        readonly kind: 'original-dst';
        readonly useHttpHeader: boolean;
        readonly portOverride: number;
        /** Where a connection goes instead, if its metadata has an address there. */
        readonly metadataKey?: { readonly namespace: string; readonly path: readonly string[] };
      };
  readonly lbPolicy: LbPolicyConfig;
  /** Whether localities share by their weights. Source: locality_weighted_lb_config, or the wrr_locality policy. */
  readonly localityWeighted?: boolean;
  /** Envoy's default is 5 s. */
  readonly connectTimeoutMs: number;
  readonly perConnectionBufferLimitBytes: number;
  readonly protocol: UpstreamProtocolConfig;
  readonly circuitBreakers: {
    readonly default: CircuitBreakerThresholds;
    readonly high: CircuitBreakerThresholds;
  };
  /** undefined: nobody asks hosts whether they serve. */
  readonly healthCheck: HealthCheckConfig | undefined;
  /** undefined: no host is ejected for what requests met there. */
  readonly outlierDetection: OutlierDetectionConfig | undefined;
  /** Percent 0..100 below which health is ignored. Envoy's default is 50. */
  readonly panicThresholdPercent: number;
  readonly transportSocket: UpstreamSocketConfig;
  /** The first that matches a host's metadata stands in for `transportSocket`. Left out: none. */
  readonly transportSocketMatches?: readonly TransportSocketMatchConfig[];
  readonly tcpKeepalive: { readonly enabled: boolean; readonly idleMs: number };
  readonly closeConnectionsOnHostRemoval: boolean;
  /** Source address to bind, if any. */
  readonly bindAddress: AddressConfig | undefined;
  /** Of other families: the first that fits the host stands in. Source: upstream_bind_config.extra_source_addresses. */
  readonly extraBindAddresses?: readonly AddressConfig[];
  /** Its own metadata, by namespace, as far as listeners of this process are told of it. */
  readonly passthroughMetadata?: Readonly<Record<string, DynamicMetadata>>;
  /** What Istio's filters want to know of it. Source: cluster metadata `istio`. */
  readonly istio?: IstioClusterConfig;
}

/** Where connections to hosts come from. */
export type UpstreamBindConfig = Pick<ClusterConfig, 'bindAddress' | 'extraBindAddresses'>;

/** Source: what Istio's control plane writes into a cluster's `filter_metadata`, under `istio`. */
export interface IstioClusterConfig {
  /** The first of `services`: what is called through this cluster. */
  readonly service: { readonly host: string; readonly name: string; readonly namespace: string } | undefined;
  /** `external`: outside the mesh. */
  readonly external: boolean;
  /** `disable_mx`: who calls is not told. */
  readonly disableMetadataExchange: boolean;
}

export interface DnsConfig {
  readonly refreshRateMs: number;
  readonly respectTtl: boolean;
  readonly lookupFamily: 'auto' | 'v4-only' | 'v6-only' | 'v4-preferred' | 'all';
}

export type LbPolicyConfig =
  | { readonly kind: 'round-robin'; readonly slowStart?: SlowStartConfig | undefined }
  | { readonly kind: 'random' }
  | {
      readonly kind: 'least-request';
      readonly choiceCount: number;
      readonly activeRequestBias: number;
      readonly slowStart?: SlowStartConfig | undefined;
    }
  | {
      readonly kind: 'ring-hash';
      readonly minimumRingSize: number;
      readonly maximumRingSize: number;
      /** Hosts are placed by their names, not by their addresses. */
      readonly byHostname: boolean;
    }
  | { readonly kind: 'maglev'; readonly tableSize: number; readonly byHostname: boolean }
  | { readonly kind: 'cluster-provided' };

/** How hosts that are new, or healthy again, get their share bit by bit. Source: Envoy's SlowStartConfig. */
export interface SlowStartConfig {
  readonly windowMs: number;
  /** 1: in proportion to time; more: faster at first. */
  readonly aggression: number;
  /** No less of its weight than this, 0..1. */
  readonly minWeightRatio: number;
}

/** Source: envoy.extensions.upstreams.http.v3.HttpProtocolOptions and its older places in Cluster. */
export interface UpstreamProtocolConfig {
  readonly codec: 'http1' | 'http2' | 'use-downstream' | 'auto';
  /** Idle upstream connections are closed after this. Envoy's default is one hour; 0 disables. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 means without a bound. */
  readonly maxRequestsPerConnection: number;
  readonly maxHeadersCount: number;
  readonly maxResponseHeadersBytes: number;
  readonly preserveHeaderCase: boolean;
  readonly http2: Http2Config;
}

/** Source: envoy.config.cluster.v3.CircuitBreakers.Thresholds; Envoy's defaults 1024/1024/1024/3. */
export interface CircuitBreakerThresholds {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Takes the place of `maxRetries`: a share (in percent) of the requests under way, and at least so many. */
  readonly retryBudget: { readonly percent: number; readonly minConcurrency: number } | undefined;
  readonly trackRemaining: boolean;
}
