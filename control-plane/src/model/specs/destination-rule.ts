import type { Texts } from './shared-fields.js';

/* `DestinationRule` of networking.istio.io. What the schemas of `source/schema` let through: every field may be absent. */

export interface TrafficPolicySpec {
  readonly loadBalancer?: {
    readonly simple?: string;
    readonly consistentHash?: {
      readonly httpHeaderName?: string;
      readonly httpCookie?: {
        readonly name: string;
        readonly path?: string;
        readonly ttl?: string;
        readonly attributes?: readonly { readonly name: string; readonly value?: string }[];
      };
      readonly useSourceIp?: boolean;
      readonly httpQueryParameterName?: string;
      readonly ringHash?: { readonly minimumRingSize?: number };
      readonly maglev?: { readonly tableSize?: number };
      readonly minimumRingSize?: number;
    };
    readonly localityLbSetting?: {
      readonly distribute?: readonly {
        readonly from: string;
        readonly to: Readonly<Record<string, number>>;
      }[];
      readonly failover?: readonly { readonly from: string; readonly to: string }[];
      readonly failoverPriority?: readonly string[];
      readonly enabled?: boolean;
    };
    readonly warmupDurationSecs?: string;
    readonly warmup?: {
      readonly duration: string;
      readonly minimumPercent?: number;
      readonly aggression?: number;
    };
  };
  readonly connectionPool?: {
    readonly tcp?: {
      readonly maxConnections?: number;
      readonly connectTimeout?: string;
      readonly tcpKeepalive?: {
        readonly probes?: number;
        readonly time?: string;
        readonly interval?: string;
      };
      readonly maxConnectionDuration?: string;
      readonly idleTimeout?: string;
    };
    readonly http?: {
      readonly http1MaxPendingRequests?: number;
      readonly http2MaxRequests?: number;
      readonly maxRequestsPerConnection?: number;
      readonly maxRetries?: number;
      readonly idleTimeout?: string;
      readonly h2UpgradePolicy?: string;
      readonly useClientProtocol?: boolean;
      readonly maxConcurrentStreams?: number;
    };
  };
  readonly outlierDetection?: {
    readonly consecutiveErrors?: number;
    readonly splitExternalLocalOriginErrors?: boolean;
    readonly consecutiveLocalOriginFailures?: number;
    readonly consecutiveGatewayErrors?: number;
    readonly consecutive5xxErrors?: number;
    readonly interval?: string;
    readonly baseEjectionTime?: string;
    readonly maxEjectionPercent?: number;
    readonly minHealthPercent?: number;
  };
  readonly tls?: ClientTlsSpec;
  readonly proxyProtocol?: { readonly version?: string };
  readonly retryBudget?: { readonly percent?: number; readonly minRetryConcurrency?: number };
  readonly portLevelSettings?: readonly (TrafficPolicySpec & {
    readonly port: { readonly number: number };
  })[];
}

export interface ClientTlsSpec {
  readonly mode: string;
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly subjectAltNames?: readonly string[];
  readonly sni?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: TrafficPolicySpec;
  readonly subsets?: readonly {
    readonly name: string;
    readonly labels?: Texts;
    readonly trafficPolicy?: TrafficPolicySpec;
  }[];
  readonly workloadSelector?: { readonly matchLabels: Texts };
  readonly exportTo?: readonly string[];
}
