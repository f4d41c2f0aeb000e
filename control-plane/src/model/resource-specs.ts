import type { HiddenText } from '@heddle/engine';

/** What the schemas of `source/schema` let through, for the kinds that the model reads: every field may be absent. */

export type Texts = Readonly<Record<string, string>>;

export interface StringMatchSpec {
  readonly exact?: string;
  readonly prefix?: string;
  readonly regex?: string;
}

export interface HeaderEditSpec {
  readonly set?: Texts;
  readonly add?: Texts;
  readonly remove?: readonly string[];
}

export interface HeaderEditsSpec {
  readonly request?: HeaderEditSpec;
  readonly response?: HeaderEditSpec;
}

export interface DestinationSpec {
  readonly host: string;
  readonly subset?: string;
  readonly port?: { readonly number: number };
}

export interface PercentSpec {
  readonly value: number;
}

export interface HttpMatchSpec {
  readonly name?: string;
  readonly uri?: StringMatchSpec;
  readonly scheme?: StringMatchSpec;
  readonly method?: StringMatchSpec;
  readonly authority?: StringMatchSpec;
  readonly headers?: Readonly<Record<string, StringMatchSpec>>;
  readonly withoutHeaders?: Readonly<Record<string, StringMatchSpec>>;
  readonly queryParams?: Readonly<Record<string, StringMatchSpec>>;
  readonly port?: number;
  readonly sourceLabels?: Texts;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
  readonly ignoreUriCase?: boolean;
}

export interface RouteDestinationSpec {
  readonly destination: DestinationSpec;
  readonly weight?: number;
  readonly headers?: HeaderEditsSpec;
}

export interface HttpRuleSpec {
  readonly name?: string;
  readonly match?: readonly HttpMatchSpec[];
  readonly route?: readonly RouteDestinationSpec[];
  readonly redirect?: {
    readonly uri?: string;
    readonly authority?: string;
    readonly port?: number;
    readonly scheme?: string;
    readonly redirectCode?: number;
  };
  readonly directResponse?: {
    readonly status: number;
    readonly body?: { readonly string?: string; readonly bytes?: string };
  };
  readonly rewrite?: {
    readonly uri?: string;
    readonly authority?: string;
    readonly uriRegexRewrite?: { readonly match: string; readonly rewrite: string };
  };
  readonly timeout?: string;
  readonly retries?: {
    readonly attempts?: number;
    readonly perTryTimeout?: string;
    readonly retryOn?: string;
    readonly retryIgnorePreviousHosts?: boolean;
    readonly backoff?: string;
  };
  readonly fault?: {
    readonly delay?: {
      readonly fixedDelay: string;
      readonly percentage?: PercentSpec;
      readonly percent?: number;
    };
    readonly abort?: {
      readonly httpStatus: number;
      readonly percentage?: PercentSpec;
      readonly percent?: number;
    };
  };
  readonly mirror?: DestinationSpec;
  readonly mirrors?: readonly { readonly destination: DestinationSpec; readonly percentage?: PercentSpec }[];
  readonly mirrorPercentage?: PercentSpec;
  readonly mirrorPercent?: number;
  readonly mirror_percent?: number;
  readonly corsPolicy?: {
    readonly allowOrigin?: readonly string[];
    readonly allowOrigins?: readonly StringMatchSpec[];
    readonly allowMethods?: readonly string[];
    readonly allowHeaders?: readonly string[];
    readonly exposeHeaders?: readonly string[];
    readonly maxAge?: string;
    readonly allowCredentials?: boolean;
  };
  readonly headers?: HeaderEditsSpec;
}

export interface VirtualServiceSpec {
  readonly hosts: readonly string[];
  readonly gateways?: readonly string[];
  readonly http?: readonly HttpRuleSpec[];
  readonly tls?: readonly {
    readonly match: readonly {
      readonly sniHosts: readonly string[];
      readonly port?: number;
      readonly gateways?: readonly string[];
    }[];
    readonly route: readonly { readonly destination: DestinationSpec; readonly weight?: number }[];
  }[];
  readonly tcp?: readonly {
    readonly match?: readonly { readonly port?: number; readonly gateways?: readonly string[] }[];
    readonly route: readonly { readonly destination: DestinationSpec; readonly weight?: number }[];
  }[];
  readonly exportTo?: readonly string[];
}

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

export interface WorkloadEntrySpec {
  readonly address: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Texts;
  readonly locality?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

export interface ServiceEntrySpec {
  readonly hosts: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports: readonly {
    readonly number: number;
    readonly protocol?: string;
    readonly name: string;
    readonly targetPort?: number;
  }[];
  readonly location?: string;
  readonly resolution?: string;
  readonly endpoints?: readonly Partial<WorkloadEntrySpec>[];
  readonly workloadSelector?: { readonly labels: Texts };
  readonly subjectAltNames?: readonly string[];
  readonly exportTo?: readonly string[];
}

export interface ServiceSpec {
  readonly selector?: Texts;
  readonly ports?: readonly {
    readonly name?: string;
    readonly protocol?: string;
    readonly appProtocol?: string;
    readonly port: number;
    readonly targetPort?: number | string;
  }[];
  readonly type?: string;
  readonly clusterIP?: string;
  readonly externalName?: string;
}

export interface GatewaySpec {
  readonly selector?: Texts;
  readonly servers: readonly {
    readonly port: { readonly number: number; readonly name: string; readonly protocol: string };
    readonly hosts: readonly string[];
    readonly name?: string;
    readonly tls?: ServerTlsSpec;
  }[];
}

export interface ServerTlsSpec {
  readonly httpsRedirect?: boolean;
  readonly mode?: string;
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly credentialNames?: readonly string[];
  readonly subjectAltNames?: readonly string[];
  readonly verifyCertificateSpki?: readonly string[];
  readonly verifyCertificateHash?: readonly string[];
  readonly minProtocolVersion?: string;
  readonly maxProtocolVersion?: string;
  readonly cipherSuites?: readonly string[];
}

export interface KubernetesGatewaySpec {
  readonly gatewayClassName: string;
  readonly listeners: readonly {
    readonly name: string;
    readonly hostname?: string;
    readonly port: number;
    readonly protocol: string;
    readonly tls?: {
      readonly mode?: string;
      readonly certificateRefs?: readonly { readonly name: string; readonly namespace?: string }[];
    };
    readonly allowedRoutes?: { readonly namespaces?: { readonly from?: string } };
  }[];
}

export interface PathModifierSpec {
  readonly type: string;
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}

export interface HeaderModifierSpec {
  readonly set?: readonly { readonly name: string; readonly value: string }[];
  readonly add?: readonly { readonly name: string; readonly value: string }[];
  readonly remove?: readonly string[];
}

export interface BackendRefSpec {
  readonly kind?: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
}

export interface HttpRouteFilterSpec {
  readonly type: string;
  readonly requestHeaderModifier?: HeaderModifierSpec;
  readonly responseHeaderModifier?: HeaderModifierSpec;
  readonly requestMirror?: {
    readonly backendRef: BackendRefSpec;
    readonly percent?: number;
    readonly fraction?: { readonly numerator: number; readonly denominator?: number };
  };
  readonly requestRedirect?: {
    readonly scheme?: string;
    readonly hostname?: string;
    readonly path?: PathModifierSpec;
    readonly port?: number;
    readonly statusCode?: number;
  };
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifierSpec };
}

export interface HttpRouteMatchSpec {
  readonly path?: { readonly type?: string; readonly value?: string };
  readonly headers?: readonly { readonly type?: string; readonly name: string; readonly value: string }[];
  readonly queryParams?: readonly { readonly type?: string; readonly name: string; readonly value: string }[];
  readonly method?: string;
}

export interface HttpRouteSpec {
  readonly parentRefs: readonly {
    readonly group?: string;
    readonly kind?: string;
    readonly name: string;
    readonly namespace?: string;
    readonly sectionName?: string;
    readonly port?: number;
  }[];
  readonly hostnames?: readonly string[];
  readonly rules?: readonly {
    readonly name?: string;
    readonly matches?: readonly HttpRouteMatchSpec[];
    readonly filters?: readonly HttpRouteFilterSpec[];
    readonly backendRefs?: readonly (BackendRefSpec & {
      readonly weight?: number;
      readonly filters?: readonly HttpRouteFilterSpec[];
    })[];
    readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
    readonly retry?: {
      readonly codes?: readonly number[];
      readonly attempts?: number;
      readonly backoff?: string;
    };
  }[];
}

export interface WorkloadSpec {
  readonly service?: string;
  readonly command?: readonly string[];
  readonly workingDirectory?: string;
  readonly env?: Readonly<Record<string, string | number | boolean>>;
  readonly ports?: readonly { readonly name: string; readonly port: number; readonly protocol?: string }[];
  readonly replicas?: number;
  readonly serviceAccount?: string;
  readonly labels?: Texts;
  readonly address?: string;
  readonly locality?: string;
  readonly weight?: number;
}

/** The part of a security policy's spec that says whom it is for. */
export interface PolicyTargetSpec {
  readonly selector?: { readonly matchLabels?: Texts };
  readonly targetRefs?: readonly { readonly kind: string; readonly name: string }[];
}

export interface JwtRuleSpec {
  readonly issuer?: string;
  readonly audiences?: readonly string[];
  readonly jwksUri?: string;
  readonly jwks_uri?: string;
  readonly jwks?: string;
  readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
  readonly fromParams?: readonly string[];
  readonly fromCookies?: readonly string[];
  readonly outputPayloadToHeader?: string;
  readonly outputClaimToHeaders?: readonly { readonly header: string; readonly claim: string }[];
  readonly forwardOriginalToken?: boolean;
  readonly spaceDelimitedClaims?: readonly string[];
  readonly timeout?: string;
}

export interface RateSpec {
  readonly limit: number;
  readonly per: string;
  readonly burst?: number;
}

export interface RateLimitSpec extends PolicyTargetSpec {
  readonly requests?: RateSpec;
  readonly connections?: RateSpec;
  readonly rules?: readonly {
    readonly name: string;
    readonly match: {
      readonly path?: StringMatchSpec;
      readonly method?: StringMatchSpec;
      readonly headers?: Readonly<Record<string, StringMatchSpec>>;
    };
    readonly requests: RateSpec;
  }[];
  readonly perConnection?: boolean;
  readonly status?: number;
  readonly responseHeaders?: boolean;
  readonly dryRun?: boolean;
}

export interface RequestAuthenticationSpec extends PolicyTargetSpec {
  readonly jwtRules?: readonly JwtRuleSpec[];
}

export interface AuthorizationSourceSpec {
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
  readonly remoteIpBlocks?: readonly string[];
  readonly notRemoteIpBlocks?: readonly string[];
}

export interface AuthorizationOperationSpec {
  readonly hosts?: readonly string[];
  readonly notHosts?: readonly string[];
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  readonly methods?: readonly string[];
  readonly notMethods?: readonly string[];
  readonly paths?: readonly string[];
  readonly notPaths?: readonly string[];
}

export interface AuthorizationRuleSpec {
  readonly from?: readonly { readonly source: AuthorizationSourceSpec }[];
  readonly to?: readonly { readonly operation: AuthorizationOperationSpec }[];
  readonly when?: readonly {
    readonly key: string;
    readonly values?: readonly string[];
    readonly notValues?: readonly string[];
  }[];
}

export interface AuthorizationPolicySpec extends PolicyTargetSpec {
  readonly action?: string;
  readonly provider?: { readonly name?: string };
  readonly rules?: readonly AuthorizationRuleSpec[];
}

export interface MutualTlsSpec {
  readonly mode?: string;
}

export interface PeerAuthenticationSpec extends PolicyTargetSpec {
  readonly mtls?: MutualTlsSpec;
  /** By port number. */
  readonly portLevelMtls?: Readonly<Record<string, MutualTlsSpec>>;
}

/** A Secret's content; it has no `spec` of its own. */
export interface SecretSpec {
  readonly type: string;
  readonly data: Readonly<Record<string, HiddenText>>;
}

interface ModeSpec {
  readonly mode?: string;
}

export interface MetricsSpec {
  readonly overrides?: readonly {
    readonly match?: ModeSpec & { readonly metric?: string; readonly customMetric?: string };
    readonly disabled?: boolean;
    readonly tagOverrides?: Readonly<
      Record<string, { readonly operation?: string; readonly value?: string }>
    >;
  }[];
}

export interface TelemetrySpec extends PolicyTargetSpec {
  readonly metrics?: readonly MetricsSpec[];
  readonly accessLogging?: readonly { readonly match?: ModeSpec; readonly disabled?: boolean }[];
}

interface CanaryVersionSpec {
  readonly host?: string;
  readonly subset?: string;
}

export interface CanarySpec {
  readonly host: string;
  readonly stable: CanaryVersionSpec;
  readonly canary: CanaryVersionSpec;
  readonly steps: readonly {
    readonly weight: number;
    readonly interval?: string;
    readonly pause?: boolean;
  }[];
  readonly interval?: string;
  readonly stepTimeout?: string;
  readonly minRequests?: number;
  readonly splitTolerance?: number;
  readonly successRate?: { readonly min?: number; readonly maxDrop?: number };
  readonly latency?: { readonly percentile?: number; readonly max?: string; readonly maxRatio?: number };
  readonly revision?: string;
}
