import type { AccessLogConfig } from './access-log-config.js';
import type { Http2Config } from './http2-config.js';
import type { DiscoveredHttpFilterConfig, HttpFilterConfig } from './http-filter-config.js';
import type { CidrConfig } from './listener-config.js';
import type { RouteConfig } from './route-config.js';
import type { ScopedRoutesConfig } from './scoped-routes-config.js';

/** Source: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager. Times in ms, 0 disables. */
export interface HttpConnectionManagerConfig {
  readonly statPrefix: string;
  readonly codecType: 'auto' | 'http1' | 'http2';
  readonly routes:
    | { readonly kind: 'inline'; readonly config: RouteConfig }
    | { readonly kind: 'rds'; readonly name: string; readonly initialFetchTimeoutMs: number }
    | { readonly kind: 'scoped'; readonly config: ScopedRoutesConfig };
  /** In order; the last is terminal (the router). */
  readonly httpFilters: readonly (HttpFilterConfig | DiscoveredHttpFilterConfig)[];
  readonly accessLogs: readonly AccessLogConfig[];

  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 means without a bound. */
  readonly maxRequestsPerConnection: number;
  readonly maxRequestHeadersBytes: number;
  readonly maxHeadersCount: number;

  readonly useRemoteAddress: boolean;
  /** Who may ask for retries and timeouts by `x-envoy-*` fields. undefined: nobody. */
  readonly internalAddresses: InternalAddressConfig | undefined;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly via: string;
  readonly serverName: string;
  readonly serverHeaderTransformation: 'overwrite' | 'append-if-absent' | 'pass-through';
  /** Whether `Expect: 100-continue` is the upstream's to answer. */
  readonly proxy100Continue: boolean;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly suppressEnvoyHeaders: boolean;

  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction:
    'keep-unchanged' | 'reject' | 'unescape-and-redirect' | 'unescape-and-forward';
  readonly headersWithUnderscoresAction: 'allow' | 'reject-request' | 'drop-header';
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;

  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  readonly allowChunkedLength: boolean;
  readonly enableTrailers: boolean;
  readonly preserveHeaderCase: boolean;

  readonly http2: Http2Config;

  /** What is done with x-forwarded-client-cert. Left out: it is removed. */
  readonly clientCertificate?: ClientCertificateConfig | undefined;

  /** Upgrade tokens that may be tunnelled (`websocket`), lower case. */
  readonly upgradeTypes: readonly string[];
}

/** Source: forward_client_cert_details and set_current_client_cert_details of the connection manager. */
export interface ClientCertificateConfig {
  readonly forward: 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';
  /** What is told beside the hash, in this order. */
  readonly details: readonly ('cert' | 'subject' | 'uri' | 'dns')[];
}

/** Source: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig. */
export interface InternalAddressConfig {
  readonly unixSockets: boolean;
  readonly ranges: readonly CidrConfig[];
}
