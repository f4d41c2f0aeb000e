import { envoy } from '@heddle/xds-protos';
import type { SecretReferenceConfig } from '../config/tls-config.js';
import { INITIAL_FETCH_TIMEOUT_MS } from './config-source.js';
import type { Findings } from './findings.js';
import { durationMs, requiredText } from './proto-values.js';

const { ApiType } = envoy.config.core.v3.ApiConfigSource;

/** Source: envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig. */
export function translateSecretReference(
  config: envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig,
  path: string,
  findings: Findings,
): SecretReferenceConfig {
  const name = requiredText(config.name, `${path}.name`, findings);
  const source = config.sdsConfig;
  if (source === null) return { name, source: { kind: 'static' }, initialFetchTimeoutMs: 0 };
  return {
    name,
    source: translateSource(source, `${path}.sds_config`, findings),
    initialFetchTimeoutMs: durationMs(
      source.initialFetchTimeout,
      INITIAL_FETCH_TIMEOUT_MS,
      `${path}.sds_config.initial_fetch_timeout`,
      findings,
    ),
  };
}

function translateSource(
  source: envoy.config.core.v3.ConfigSource,
  path: string,
  findings: Findings,
): SecretReferenceConfig['source'] {
  switch (source.configSourceSpecifier) {
    case 'ads':
    case 'self':
      return { kind: 'ads' };
    case 'apiConfigSource': {
      const at = `${path}.api_config_source`;
      const api = source.apiConfigSource;
      if (api?.apiType !== ApiType.GRPC && api?.apiType !== ApiType.DELTA_GRPC) {
        findings.problem(`${at}.api_type`, 'must be GRPC or DELTA_GRPC');
      }
      const [service, ...more] = api?.grpcServices ?? [];
      if (more.length > 0) findings.problem(`${at}.grpc_services[1]`, 'only one gRPC service is supported');
      if (service?.targetSpecifier !== 'envoyGrpc') {
        findings.problem(`${at}.grpc_services[0]`, 'must be an envoy_grpc');
      }
      const cluster = service?.envoyGrpc?.clusterName ?? '';
      requiredText(cluster, `${at}.grpc_services[0].envoy_grpc.cluster_name`, findings);
      return { kind: 'grpc', cluster };
    }
    case 'path':
    case 'pathConfigSource':
      findings.problem(path, 'files as the source of secrets are not supported; give their filename instead');
      return { kind: 'ads' };
    case undefined:
      findings.problem(path, 'one of ads, self or api_config_source must be set');
      return { kind: 'ads' };
  }
}
