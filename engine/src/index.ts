export type {
  AccessLogConfig,
  AccessLogFilterConfig,
  AccessLogFormat,
  JsonLogFields,
  JsonLogValue,
} from './config/access-log-config.js';
export { formatAddress, hostAndPort, type AddressConfig } from './config/address.js';
export type {
  CircuitBreakerThresholds,
  ClusterConfig,
  DnsConfig,
  IstioClusterConfig,
  LbPolicyConfig,
  SlowStartConfig,
  UpstreamBindConfig,
  UpstreamProtocolConfig,
} from './config/cluster-config.js';
export type { EndpointConfig, EndpointsConfig, LocalityEndpointsConfig } from './config/endpoints-config.js';
export type {
  HealthCheckConfig,
  HttpProbeConfig,
  StatusRange,
  TcpProbeConfig,
} from './config/health-check-config.js';
export type {
  ClientCertificateConfig,
  HttpConnectionManagerConfig,
} from './config/http-connection-manager-config.js';
export { http2WithRuntime } from './http/http2-with-runtime.js';
export { DEFAULT_HTTP2_CONFIG, type Http2Config } from './config/http2-config.js';
export type {
  RuntimeLayerConfig,
  RuntimeSettings,
  RuntimeValue,
  RuntimeValues,
} from './config/runtime-config.js';
export type {
  RouteScopeConfig,
  ScopedRoutesConfig,
  ScopeFragmentConfig,
} from './config/scoped-routes-config.js';
export type {
  DiscoveredHttpFilterConfig,
  ExtensionConfig,
  FilterDiscoveryConfig,
  HttpFilterConfig,
} from './config/http-filter-config.js';
export { HiddenText } from './config/hidden-text.js';
export type {
  CidrConfig,
  FilterChainConfig,
  FilterChainMatchConfig,
  ListenerConfig,
  ListenerFilterConfig,
  ProxyProtocolConfig,
  NetworkFilterConfig,
  TrafficDirection,
} from './config/listener-config.js';
export type { OutlierDetectionConfig } from './config/outlier-detection-config.js';
export type { Problem, Translated } from './config/problem.js';
export type {
  NetworkRbacConfig,
  RbacCondition,
  RbacConfig,
  RbacFilterConfig,
  RbacPolicyConfig,
} from './config/rbac-config.js';
export type {
  DirectResponseAction,
  ForwardAction,
  GrpcTimeoutConfig,
  HeaderChange,
  HeaderChanges,
  HashPolicyConfig,
  HeaderMatchConfig,
  NonForwardingAction,
  PerFilterConfig,
  QueryParameterMatchConfig,
  RedirectAction,
  ResetHeaderConfig,
  RetryConfig,
  RouteConfig,
  RouteEntryConfig,
  RouteMatchConfig,
  RouteTarget,
  StringMatchConfig,
  UpgradeConfig,
  VirtualHostConfig,
  WeightedClusterConfig,
} from './config/route-config.js';
export {
  ISTIO_METRICS,
  type IstioMetricName,
  type IstioStatsConfig,
  type MetricOverride,
} from './config/istio-stats-config.js';
export type { TcpProxyConfig, TunnelingConfig } from './config/tcp-proxy-config.js';
export {
  NO_PEER_RULES,
  type CommonTlsConfig,
  type DataSourceConfig,
  type DownstreamTlsConfig,
  type PeerRulesConfig,
  type SecretConfig,
  type SecretReferenceConfig,
  type SubjectAltNameMatchConfig,
  type TlsCertificateConfig,
  type TlsParametersConfig,
  type TlsVersion,
  type UpstreamTlsConfig,
  type ValidationContextConfig,
} from './config/tls-config.js';
export type {
  PassthroughMetadataConfig,
  RawBufferConfig,
  TransportSocketMatchConfig,
  UpstreamSocketConfig,
  UpstreamWrappingConfig,
} from './config/transport-socket-config.js';
export { parseIp } from './address/ip-address.js';
export { parseAddress } from './address/parse-address.js';
export { HeaderMap } from './http/header-map.js';
export { clientCertificateText } from './http/client-certificate-header.js';
export {
  clusterNotFound,
  directResponse,
  dropOverload,
  encodeGrpcMessage,
  faultAbort,
  grpcStatusOf,
  httpStatusOfGrpc,
  isGrpcContentType,
  LOCAL_REPLY,
  localRateLimited,
  rbacDenied,
  rbacDetails,
  redirect,
  transportFailureText,
  upstreamReset,
  upstreamResetAfterStart,
  type LocalReply,
} from './http/local-reply.js';
export type { HttpVersion, RequestHead, ResponseHead } from './http/message-head.js';
export { InternalAddresses } from './http/internal-addresses.js';
export { appendVia, normalizeRequest, prepareRequestHeaders } from './http/prepare-request.js';
export {
  LOCAL_PRINCIPAL_KEY,
  PEER_PRINCIPAL_KEY,
  RESPONSE_FLAGS,
  type DynamicMetadata,
  type FilterState,
  type FilterStateObject,
  type ResponseFlag,
  type StreamInfo,
} from './http/stream-info.js';
export { localPrincipal, peerPrincipal, type CertificateInfo, type TlsInfo } from './http/tls-info.js';

export { compileAccessLog, compileAccessLogFilter } from './format/access-log.js';
export { compileJsonLog, type WriteEntry } from './format/json-log.js';
export { LineBytes } from './format/line-bytes.js';
export { jsonText } from './format/json-text.js';
export {
  portOf,
  readRequestHeader,
  traceIdOf,
  withoutPort,
  type FormatContext,
  type OperatorReader,
} from './format/operators.js';
export { formatIsoTime } from './format/start-time.js';
export { compileTemplate, Template } from './format/template.js';

export {
  hashKeyOf,
  hostHealth,
  type HostHealth,
  type LbHost,
  type LbLocality,
} from './load-balancer/lb-host.js';
export {
  createLoadBalancer,
  type LoadBalancer,
  type LoadBalancerOptions,
} from './load-balancer/load-balancer.js';
export {
  computePriorityLoad,
  type PriorityHealth,
  type PriorityLoad,
} from './load-balancer/priority-load.js';

export type {
  ConnectionRateLimitConfig,
  LocalDescriptorConfig,
  LocalRateLimitConfig,
  RateLimitActionConfig,
  RateLimitEntryConfig,
  TokenBucketConfig,
} from './config/rate-limit-config.js';
export { matchesTransportSocket } from './transport/transport-socket-match.js';
export { isTimedByGrpc, perTryTimeoutMs, requestTimeoutMs } from './route/request-timeouts.js';
export { formatGrpcTimeout, parseGrpcTimeout } from './http/grpc-timeout.js';
export { LocalRateLimiter } from './rate-limit/local-rate-limiter.js';
export { collectDescriptors, descriptorKey, requestDescriptors } from './rate-limit/request-descriptors.js';
export {
  SharedTokenBucket,
  TokenBucket,
  type RateLimitVerdict,
  type SharedBucketState,
} from './rate-limit/token-bucket.js';

export { requestHash, type HashSource, type RequestHash } from './hash/request-hash.js';
export { combineHashes, hashModulo, xxHash64, type Hash64 } from './hash/xx-hash64.js';

export { resetIntervalMs } from './retry/reset-interval.js';
export { parseRetryOn, RETRY_ON, type RetryCondition } from './retry/retry-condition.js';
export { isRetriable, retryPolicyOf } from './retry/retry-overrides.js';
export { wouldRetryFailure, wouldRetryResponse, type AttemptFailure } from './retry/would-retry.js';

export { chooseCluster, chooseWeighted, type ChosenCluster } from './route/cluster-choice.js';
export { explain, type ExplainedRoute, type Explanation } from './route/explain.js';
export {
  applyHeaderChanges,
  compileHeaderChanges,
  effectiveHeaderChanges,
  NO_HEADER_CHANGES,
  type CompiledHeaderChange,
  type CompiledHeaderChanges,
} from './route/header-changes.js';
export { describeHeaderMatch, headerMatches, headersMatch } from './route/header-match.js';
export { LinearRegex } from './route/linear-regex.js';
export { pathForMatching } from './route/path-match.js';
export { redirectLocation, rewriteHost, rewritePath } from './route/rewrite.js';
export { describeMismatch, mismatch, MISMATCH } from './route/route-mismatch.js';
export { FilterChainMatcher, type ConnectionFacts } from './listener/filter-chain-match.js';
export { expectedTimeoutMs, makeUpstreamHead, setHost, type WeightedChanges } from './route/upstream-head.js';
export { withFetchedHosts } from './route/fetched-hosts.js';
export { filterOverride, filterOverrides } from './route/filter-override.js';
export { createRouteTable, type RouteMatch, type RouteMiss, type RouteTable } from './route/route-table.js';
export { withRuntime } from './route/with-runtime.js';
export { requestScopeKey, scopeKey } from './route/scope-key.js';
export { describeStringMatch, stringMatches } from './route/string-match.js';

export { acceptedFilters } from './http-filters/accepted/config.js';
export { onDemandFilter, type OnDemandConfig } from './http-filters/on-demand/config.js';
export { corsFilter, type CorsPolicyConfig } from './http-filters/cors/config.js';
export { allowOrigin, decideCors, type CorsDecision } from './http-filters/cors/decide-cors.js';
export { effectiveCorsPolicy } from './http-filters/cors/effective-cors-policy.js';
export type { FaultAbort, FaultConfig, FaultDelay } from './http-filters/fault/config.js';
export { faultWithRuntime } from './http-filters/fault/fault-with-runtime.js';
export { decideFault, type FaultDecision } from './http-filters/fault/decide-fault.js';
export { FILTER_DISABLED, type HttpFilterFactoryConfig } from './http-filters/http-filter.js';
export { httpFilterOf, httpFilterOfOverride, httpFilters } from './http-filters/index.js';
export { faultFilter } from './http-filters/fault/config.js';
export { grpcWebFilter } from './http-filters/grpc-web/config.js';
export { acceptJwt, type AcceptedJwt } from './http-filters/jwt-authn/accepted-jwt.js';
export {
  checkRequirement,
  type JwtCheck,
  type JwtMetadata,
  type JwtVerifier,
} from './http-filters/jwt-authn/check-requirement.js';
export { isCorsPreflight } from './http-filters/jwt-authn/cors-preflight.js';
export { requirementFor } from './http-filters/jwt-authn/find-requirement.js';
export type {
  JwkConfig,
  JwtAuthnConfig,
  JwtProviderConfig,
  JwtRequirement,
  JwtRouteConfig,
} from './http-filters/jwt-authn/jwt-authn-config.js';
export { tokenRefused, unknownRequirement } from './http-filters/jwt-authn/jwt-authn-replies.js';
export { accessDenied, JWT_FAILURE, JwtFailure } from './http-filters/jwt-authn/jwt-failure.js';
export { MAX_JWKS_BYTES, parseJwks, type ParsedJwks } from './http-filters/jwt-authn/parse-jwks.js';
export { parseJwt, type ParsedJwt } from './http-filters/jwt-authn/parse-jwt.js';
export {
  createSignatureKey,
  verifySignature,
  type SignatureKey,
} from './http-filters/jwt-authn/verify-signature.js';
export { rbacFilter } from './http-filters/rbac/config.js';
export type { PeerMetadataConfig } from './http-filters/peer-metadata/config.js';
export type { SetFilterStateConfig } from './http-filters/set-filter-state/config.js';
export { routerFilter, type RouterConfig } from './http-filters/router/config.js';

export { compileRbac, decide, type CompiledRbac, type RbacDecision } from './rbac/decide.js';
export {
  explainRbac,
  type ExplainedCondition,
  type ExplainedPolicy,
  type RbacExplanation,
} from './rbac/explain-rbac.js';
export type { RbacFacts } from './rbac/rbac-facts.js';

export {
  CANONICAL_NAME_LABEL,
  CANONICAL_REVISION_LABEL,
  canonicalService,
  type CanonicalService,
} from './telemetry/canonical-service.js';

export {
  parseLabelExpression,
  readRequestAttribute,
  type LabelExpression,
} from './telemetry/label-expression.js';

export { translateClusterLoadAssignment } from './translate/cluster-load-assignment.js';
export { translateCluster } from './translate/cluster.js';
export { translateListener } from './translate/listener.js';
export { translateFetchedVirtualHost, translateRouteConfiguration } from './translate/route-configuration.js';
export { translateNameTable } from './translate/name-table.js';
export type { NamedPort, NamedService, NameTableConfig } from './config/name-table-config.js';
export { translateExtensionConfig } from './translate/extension-config.js';
export { whyNotExtension } from './translate/filter-discovery.js';
export { sameKeys, translateScopedRouteConfiguration } from './translate/scoped-routes.js';
export {
  runtimeValueOf,
  translateRuntime,
  translateRuntimeLayer,
  type RuntimeResourceConfig,
} from './translate/runtime-values.js';
export { translateSecret } from './translate/secret.js';

export type { ProxyConfig } from './explain/proxy-config.js';
export type { ExplainedConnection } from './explain/explained-stream.js';
export type { ExplainedFilter } from './explain/explain-filters.js';
export type { ExplainedCluster, ExplainedEndpoint, ExplainedForward } from './explain/explain-forward.js';
export {
  explainRequest,
  type ExplainedConnectionFilter,
  type ExplainedWay,
  type RequestExplanation,
} from './explain/explain-request.js';
