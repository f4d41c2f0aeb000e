import { envoy } from '@heddle/xds-protos';
import type { UpstreamProtocolConfig } from '../config/cluster-config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { preservesHeaderCase } from './header-key-format.js';
import { translateHttp2Options } from './http2-options.js';
import { durationMs, wrappedNumber } from './proto-values.js';

const { HttpProtocolOptions } = envoy.extensions.upstreams.http.v3;
const OPTIONS_KEY = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const HOUR_MS = 3_600_000;
const MAX_HEADERS_COUNT = 100;
const MAX_RESPONSE_HEADERS_BYTES = 60 * 1024;

type Common = envoy.config.core.v3.HttpProtocolOptions | null;
type Http1 = envoy.config.core.v3.Http1ProtocolOptions | null;
type Http2 = envoy.config.core.v3.Http2ProtocolOptions | null;

interface Sources {
  readonly codec: UpstreamProtocolConfig['codec'];
  readonly common: Common;
  readonly http1: Http1;
  readonly http2: Http2;
  readonly path: string;
}

/**
 * How a cluster speaks to its hosts.
 *
 * Source: typed_extension_protocol_options, else the deprecated fields of Cluster (http2_protocol_options,
 * common_http_protocol_options, max_requests_per_connection, protocol_selection).
 */
export function translateUpstreamProtocol(
  cluster: envoy.config.cluster.v3.Cluster,
  findings: Findings,
): UpstreamProtocolConfig {
  for (const name of Object.keys(cluster.typedExtensionProtocolOptions)) {
    if (name !== OPTIONS_KEY) {
      findings.problem(`typed_extension_protocol_options[${JSON.stringify(name)}]`, 'is not supported');
    }
  }
  const sources = fromExtension(cluster, findings) ?? fromDeprecatedFields(cluster);
  const { common, http1, http2, path } = sources;
  const at = (field: string): string => (path === '' ? field : `${path}.${field}`);
  if (common !== null && common.headersWithUnderscoresAction !== 0) {
    findings.warn(
      at('common_http_protocol_options.headers_with_underscores_action'),
      'has no effect on responses',
    );
  }
  return {
    codec: sources.codec,
    idleTimeoutMs: durationMs(
      common?.idleTimeout ?? null,
      HOUR_MS,
      at('common_http_protocol_options.idle_timeout'),
      findings,
    ),
    maxConnectionDurationMs: durationMs(
      common?.maxConnectionDuration ?? null,
      0,
      at('common_http_protocol_options.max_connection_duration'),
      findings,
    ),
    maxStreamDurationMs: durationMs(
      common?.maxStreamDuration ?? null,
      0,
      at('common_http_protocol_options.max_stream_duration'),
      findings,
    ),
    maxRequestsPerConnection: wrappedNumber(
      common?.maxRequestsPerConnection ?? cluster.maxRequestsPerConnection,
      0,
      at('common_http_protocol_options.max_requests_per_connection'),
      findings,
    ),
    maxHeadersCount: wrappedNumber(
      common?.maxHeadersCount ?? null,
      MAX_HEADERS_COUNT,
      at('common_http_protocol_options.max_headers_count'),
      findings,
      1,
    ),
    maxResponseHeadersBytes: MAX_RESPONSE_HEADERS_BYTES,
    preserveHeaderCase: preservesHeaderCase(
      http1?.headerKeyFormat ?? null,
      at('http_protocol_options.header_key_format'),
      findings,
    ),
    http2: translateHttp2Options(http2, at('http2_protocol_options'), findings),
  };
}

function fromDeprecatedFields(cluster: envoy.config.cluster.v3.Cluster): Sources {
  const useDownstream = cluster.protocolSelection === 1;
  return {
    codec: useDownstream ? 'use-downstream' : cluster.http2ProtocolOptions !== null ? 'http2' : 'http1',
    common: cluster.commonHttpProtocolOptions,
    http1: cluster.httpProtocolOptions,
    http2: cluster.http2ProtocolOptions,
    path: '',
  };
}

function fromExtension(cluster: envoy.config.cluster.v3.Cluster, findings: Findings): Sources | undefined {
  const any = cluster.typedExtensionProtocolOptions[OPTIONS_KEY];
  if (any === undefined) return undefined;
  const path = `typed_extension_protocol_options[${JSON.stringify(OPTIONS_KEY)}]`;
  if (typeNameOfUrl(any.typeUrl) !== HttpProtocolOptions.typeName) {
    findings.problem(path, `unexpected type ${JSON.stringify(any.typeUrl)}`);
    return undefined;
  }
  const options = unpackAs(any, HttpProtocolOptions, path, findings);
  if (options === undefined) return undefined;
  reportUnsupported(options, path, findings);
  const common = options.commonHttpProtocolOptions;
  switch (options.upstreamProtocolOptions) {
    case 'explicitHttpConfig': {
      const explicit = options.explicitHttpConfig;
      const at = `${path}.explicit_http_config`;
      const http1 = explicit?.httpProtocolOptions ?? null;
      const http2 = explicit?.http2ProtocolOptions ?? null;
      switch (explicit?.protocolConfig) {
        case 'httpProtocolOptions':
          return { codec: 'http1', common, http1, http2, path };
        case 'http2ProtocolOptions':
          return { codec: 'http2', common, http1, http2, path };
        case 'http3ProtocolOptions':
          findings.problem(`${at}.http3_protocol_options`, 'HTTP/3 is not supported');
          break;
        case undefined:
          findings.problem(at, 'one of http_protocol_options or http2_protocol_options must be set');
      }
      return { codec: 'http1', common, http1, http2, path };
    }
    case 'useDownstreamProtocolConfig': {
      const config = options.useDownstreamProtocolConfig;
      const http1 = config?.httpProtocolOptions ?? null;
      return { codec: 'use-downstream', common, http1, http2: config?.http2ProtocolOptions ?? null, path };
    }
    case 'autoConfig': {
      const config = options.autoConfig;
      const http1 = config?.httpProtocolOptions ?? null;
      return { codec: 'auto', common, http1, http2: config?.http2ProtocolOptions ?? null, path };
    }
    case undefined:
      findings.problem(
        path,
        'one of explicit_http_config, use_downstream_protocol_config or auto_config must be set',
      );
      return { codec: 'http1', common, http1: null, http2: null, path };
  }
}

function reportUnsupported(
  options: envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
  path: string,
  findings: Findings,
): void {
  const onlyCodec =
    options.httpFilters.length === 1 &&
    options.httpFilters[0]?.typedConfig?.typeUrl.endsWith('UpstreamCodec') === true;
  findings.unsupported(
    `${path}.http_filters`,
    options.httpFilters.length > 0 && !onlyCodec,
    'problem',
    'HTTP filters of the upstream are not supported',
  );
  findings.unsupported(
    `${path}.header_validation_config`,
    options.headerValidationConfig !== null,
    'problem',
  );
}
