import type { envoy } from '@heddle/xds-protos';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.js';
import type { CidrConfig } from '../config/listener-config.js';
import { translateAccessLogs } from './access-log.js';
import { translateCidr } from './address.js';
import { typeNameOfUrl } from './any-config.js';
import { translateConfigSource } from './config-source.js';
import type { Findings } from './findings.js';
import { preservesHeaderCase } from './header-key-format.js';
import { translateHttp2Options } from './http2-options.js';
import { translateHttpFilters } from './http-filter-chain.js';
import { hasControls } from './matchers.js';
import { durationMs, enumName, requiredText, wrappedNumber } from './proto-values.js';
import { translateRoutes } from './route-configuration.js';
import { translateScopedRoutes } from './scoped-routes.js';

type Manager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

const STREAM_IDLE_TIMEOUT_MS = 300_000;
const DRAIN_TIMEOUT_MS = 5000;
const DELAYED_CLOSE_TIMEOUT_MS = 1000;
/** Envoy has none, which lets slow clients hold connections with heads that never end. */
const REQUEST_HEADERS_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 3_600_000;
const MAX_REQUEST_HEADERS_KIB = 60;
const MAX_HEADERS_COUNT = 100;

/** Source: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, with Envoy's defaults. */
export function translateHttpConnectionManager(
  manager: Manager,
  path: string,
  findings: Findings,
): HttpConnectionManagerConfig {
  reportUnsupported(manager, path, findings);
  const http1 = manager.httpProtocolOptions;
  return {
    statPrefix: requiredText(manager.statPrefix, `${path}.stat_prefix`, findings),
    codecType: translateCodec(manager.codecType, `${path}.codec_type`, findings),
    routes: translateRouteSpecifier(manager, path, findings),
    httpFilters: translateHttpFilters(manager.httpFilters, `${path}.http_filters`, findings),
    accessLogs: translateAccessLogs(manager.accessLog, `${path}.access_log`, findings),
    ...translateLimits(manager, path, findings),
    ...translateIdentification(manager, path, findings),
    ...translateNormalization(manager, path, findings),
    acceptHttp10: http1?.acceptHttp_10 ?? false,
    defaultHostForHttp10: http1?.defaultHostForHttp_10 ?? '',
    allowAbsoluteUrl: http1?.allowAbsoluteUrl?.value ?? true,
    allowChunkedLength: http1?.allowChunkedLength ?? false,
    enableTrailers: http1?.enableTrailers ?? false,
    preserveHeaderCase: preservesHeaderCase(
      http1?.headerKeyFormat ?? null,
      `${path}.http_protocol_options.header_key_format`,
      findings,
    ),
    http2: translateHttp2Options(manager.http2ProtocolOptions, `${path}.http2_protocol_options`, findings),
    clientCertificate: translateClientCertificate(manager, path, findings),
    upgradeTypes: translateUpgrades(manager, `${path}.upgrade_configs`, findings),
  };
}

function translateCodec(
  codec: number,
  path: string,
  findings: Findings,
): HttpConnectionManagerConfig['codecType'] {
  if (codec === 3) {
    findings.problem(path, 'HTTP/3 is not supported');
    return 'auto';
  }
  return enumName(['auto', 'http1', 'http2'] as const, codec, path, findings);
}

function translateRouteSpecifier(
  manager: Manager,
  path: string,
  findings: Findings,
): HttpConnectionManagerConfig['routes'] {
  switch (manager.routeSpecifier) {
    case 'routeConfig':
      if (manager.routeConfig !== null) {
        const config = translateRoutes(manager.routeConfig, `${path}.route_config`, findings);
        return { kind: 'inline', config };
      }
      break;
    case 'rds':
      return {
        kind: 'rds',
        name: requiredText(manager.rds?.routeConfigName ?? '', `${path}.rds.route_config_name`, findings),
        initialFetchTimeoutMs: translateConfigSource(
          manager.rds?.configSource ?? null,
          `${path}.rds.config_source`,
          findings,
        ),
      };
    case 'scopedRoutes':
      if (manager.scopedRoutes !== null) {
        const config = translateScopedRoutes(manager.scopedRoutes, `${path}.scoped_routes`, findings);
        return { kind: 'scoped', config };
      }
      break;
    case undefined:
      findings.problem(path, 'one of route_config, rds or scoped_routes must be set');
  }
  return { kind: 'rds', name: '', initialFetchTimeoutMs: 0 };
}

function translateLimits(
  manager: Manager,
  path: string,
  findings: Findings,
): Pick<
  HttpConnectionManagerConfig,
  | 'streamIdleTimeoutMs'
  | 'requestTimeoutMs'
  | 'requestHeadersTimeoutMs'
  | 'drainTimeoutMs'
  | 'delayedCloseTimeoutMs'
  | 'idleTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'maxStreamDurationMs'
  | 'maxRequestsPerConnection'
  | 'maxRequestHeadersBytes'
  | 'maxHeadersCount'
> {
  const common = manager.commonHttpProtocolOptions;
  const inCommon = (field: string): string => `${path}.common_http_protocol_options.${field}`;
  const duration = (value: Parameters<typeof durationMs>[0], unset: number, at: string): number =>
    durationMs(value, unset, at, findings);
  return {
    streamIdleTimeoutMs: duration(
      manager.streamIdleTimeout,
      STREAM_IDLE_TIMEOUT_MS,
      `${path}.stream_idle_timeout`,
    ),
    requestTimeoutMs: duration(manager.requestTimeout, 0, `${path}.request_timeout`),
    requestHeadersTimeoutMs: duration(
      manager.requestHeadersTimeout,
      REQUEST_HEADERS_TIMEOUT_MS,
      `${path}.request_headers_timeout`,
    ),
    drainTimeoutMs: duration(manager.drainTimeout, DRAIN_TIMEOUT_MS, `${path}.drain_timeout`),
    delayedCloseTimeoutMs: duration(
      manager.delayedCloseTimeout,
      DELAYED_CLOSE_TIMEOUT_MS,
      `${path}.delayed_close_timeout`,
    ),
    idleTimeoutMs: duration(common?.idleTimeout ?? null, IDLE_TIMEOUT_MS, inCommon('idle_timeout')),
    maxConnectionDurationMs: duration(
      common?.maxConnectionDuration ?? null,
      0,
      inCommon('max_connection_duration'),
    ),
    maxStreamDurationMs: duration(common?.maxStreamDuration ?? null, 0, inCommon('max_stream_duration')),
    maxRequestsPerConnection: wrappedNumber(
      common?.maxRequestsPerConnection ?? null,
      0,
      inCommon('max_requests_per_connection'),
      findings,
    ),
    maxRequestHeadersBytes:
      1024 *
      wrappedNumber(
        manager.maxRequestHeadersKb,
        MAX_REQUEST_HEADERS_KIB,
        `${path}.max_request_headers_kb`,
        findings,
        1,
        8192,
      ),
    maxHeadersCount: wrappedNumber(
      common?.maxHeadersCount ?? null,
      MAX_HEADERS_COUNT,
      inCommon('max_headers_count'),
      findings,
      1,
    ),
  };
}

function translateIdentification(
  manager: Manager,
  path: string,
  findings: Findings,
): Pick<
  HttpConnectionManagerConfig,
  | 'useRemoteAddress'
  | 'internalAddresses'
  | 'xffNumTrustedHops'
  | 'skipXffAppend'
  | 'via'
  | 'serverName'
  | 'serverHeaderTransformation'
  | 'proxy100Continue'
  | 'generateRequestId'
  | 'preserveExternalRequestId'
  | 'alwaysSetRequestIdInResponse'
  | 'suppressEnvoyHeaders'
> {
  if (hasControls(manager.via)) findings.problem(`${path}.via`, 'must not hold CR, LF or NUL');
  if (hasControls(manager.serverName)) findings.problem(`${path}.server_name`, 'must not hold CR, LF or NUL');
  return {
    useRemoteAddress: manager.useRemoteAddress?.value ?? false,
    internalAddresses: translateInternalAddresses(manager, `${path}.internal_address_config`, findings),
    xffNumTrustedHops: manager.xffNumTrustedHops,
    skipXffAppend: manager.skipXffAppend,
    via: manager.via,
    serverName: manager.serverName === '' ? 'envoy' : manager.serverName,
    serverHeaderTransformation: enumName(
      ['overwrite', 'append-if-absent', 'pass-through'] as const,
      manager.serverHeaderTransformation,
      `${path}.server_header_transformation`,
      findings,
    ),
    proxy100Continue: manager.proxy_100Continue ?? false,
    generateRequestId: manager.generateRequestId?.value ?? true,
    preserveExternalRequestId: manager.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: manager.alwaysSetRequestIdInResponse,
    // The router's option, put here by `translateListener` so that one place answers it.
    suppressEnvoyHeaders: false,
  };
}

/** What is internal where the configuration is there and names no ranges. Source: RFC 1918, RFC 4193, and this machine. */
const PRIVATE_RANGES: readonly CidrConfig[] = [
  { address: '10.0.0.0', prefixLength: 8 },
  { address: '172.16.0.0', prefixLength: 12 },
  { address: '192.168.0.0', prefixLength: 16 },
  { address: '127.0.0.1', prefixLength: 32 },
  { address: 'fd00::', prefixLength: 8 },
  { address: '::1', prefixLength: 128 },
];

/** Where it is not there no address is internal, whatever network it is of: Envoy's default since 1.34. */
function translateInternalAddresses(
  { internalAddressConfig: internal }: Manager,
  path: string,
  findings: Findings,
): HttpConnectionManagerConfig['internalAddresses'] {
  if (internal === null) return undefined;
  const ranges = internal.cidrRanges.map((range, i) =>
    translateCidr(range, `${path}.cidr_ranges[${i}]`, findings),
  );
  return { unixSockets: internal.unixSockets, ranges: ranges.length === 0 ? PRIVATE_RANGES : ranges };
}

const ESCAPED_SLASHES = [
  'keep-unchanged',
  'keep-unchanged',
  'reject',
  'unescape-and-redirect',
  'unescape-and-forward',
] as const;

function translateNormalization(
  manager: Manager,
  path: string,
  findings: Findings,
): Pick<
  HttpConnectionManagerConfig,
  | 'normalizePath'
  | 'mergeSlashes'
  | 'pathWithEscapedSlashesAction'
  | 'headersWithUnderscoresAction'
  | 'stripMatchingHostPort'
  | 'stripAnyHostPort'
  | 'stripTrailingHostDot'
> {
  if (manager.stripMatchingHostPort && manager.stripAnyHostPort === true) {
    findings.problem(`${path}.strip_any_host_port`, 'cannot be used together with strip_matching_host_port');
  }
  return {
    normalizePath: manager.normalizePath?.value ?? false,
    mergeSlashes: manager.mergeSlashes,
    pathWithEscapedSlashesAction: enumName(
      ESCAPED_SLASHES,
      manager.pathWithEscapedSlashesAction,
      `${path}.path_with_escaped_slashes_action`,
      findings,
    ),
    headersWithUnderscoresAction: enumName(
      ['allow', 'reject-request', 'drop-header'] as const,
      manager.commonHttpProtocolOptions?.headersWithUnderscoresAction ?? 0,
      `${path}.common_http_protocol_options.headers_with_underscores_action`,
      findings,
    ),
    stripMatchingHostPort: manager.stripMatchingHostPort,
    stripAnyHostPort: manager.stripAnyHostPort ?? false,
    stripTrailingHostDot: manager.stripTrailingHostDot,
  };
}

const FORWARD_CLIENT_CERTIFICATE = [
  'sanitize',
  'forward-only',
  'append-forward',
  'sanitize-set',
  'always-forward-only',
] as const;

function translateClientCertificate(
  manager: Manager,
  path: string,
  findings: Findings,
): HttpConnectionManagerConfig['clientCertificate'] {
  const forward = enumName(
    FORWARD_CLIENT_CERTIFICATE,
    manager.forwardClientCertDetails,
    `${path}.forward_client_cert_details`,
    findings,
  );
  if (forward === 'sanitize') return undefined;
  const details = manager.setCurrentClientCertDetails;
  return {
    forward,
    // Envoy's order, whatever the configuration's is.
    details: [
      ...(details?.cert === true ? (['cert'] as const) : []),
      ...(details?.subject?.value === true ? (['subject'] as const) : []),
      ...(details?.uri === true ? (['uri'] as const) : []),
      ...(details?.dns === true ? (['dns'] as const) : []),
    ],
  };
}

function translateUpgrades(manager: Manager, path: string, findings: Findings): readonly string[] {
  const seen = new Set<string>();
  return manager.upgradeConfigs.flatMap((upgrade, i) => {
    const type = upgrade.upgradeType.toLowerCase();
    if (type === '') findings.problem(`${path}[${i}].upgrade_type`, 'must not be empty');
    if (seen.has(type)) {
      findings.problem(`${path}[${i}].upgrade_type`, `${JSON.stringify(type)} is listed twice`);
    }
    seen.add(type);
    findings.unsupported(`${path}[${i}].filters`, upgrade.filters.length > 0, 'problem');
    return upgrade.enabled?.value === false ? [] : [type];
  });
}

const UUID = 'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig';

function reportUnsupported(manager: Manager, path: string, findings: Findings): void {
  const problem = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'problem');
  const warning = (field: string, isSet: boolean): void =>
    findings.unsupported(`${path}.${field}`, isSet, 'warning');
  problem('original_ip_detection_extensions', manager.originalIpDetectionExtensions.length > 0);
  problem('early_header_mutation_extensions', manager.earlyHeaderMutationExtensions.length > 0);
  problem('path_normalization_options', manager.pathNormalizationOptions !== null);
  problem('typed_header_validation_config', manager.typedHeaderValidationConfig !== null);
  problem(
    'scheme_header_transformation.scheme_to_overwrite',
    manager.schemeHeaderTransformation?.transformation === 'schemeToOverwrite',
  );
  const idType = typeNameOfUrl(manager.requestIdExtension?.typedConfig?.typeUrl ?? '');
  problem(
    'request_id_extension.typed_config',
    manager.requestIdExtension !== null && idType !== '' && idType !== UUID,
  );
  warning('set_current_client_cert_details.chain', manager.setCurrentClientCertDetails?.chain === true);
  warning('tracing', manager.tracing !== null);
  warning('local_reply_config', manager.localReplyConfig !== null);
  warning('proxy_status_config', manager.proxyStatusConfig !== null);
  warning('add_user_agent', manager.addUserAgent?.value === true);
  warning('http3_protocol_options', manager.http3ProtocolOptions !== null);
  warning('access_log_options', manager.accessLogOptions !== null);
  warning('append_x_forwarded_port', manager.appendXForwardedPort);
  warning(
    'represent_ipv4_remote_address_as_ipv4_mapped_ipv6',
    manager.representIpv4RemoteAddressAsIpv4MappedIpv6,
  );
}
