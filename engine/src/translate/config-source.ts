import type { envoy } from '@heddle/xds-protos';
import type { Findings } from './findings.js';
import { durationMs } from './proto-values.js';

/** Envoy's default for how long a resource is waited for. */
export const INITIAL_FETCH_TIMEOUT_MS = 15_000;

/**
 * Where a further resource comes from. Every source that is served by xDS is the proxy's own xDS stream here.
 *
 * Source: envoy.config.core.v3.ConfigSource. Returns `initial_fetch_timeout`.
 */
export function translateConfigSource(
  source: envoy.config.core.v3.ConfigSource | null,
  path: string,
  findings: Findings,
): number {
  if (source === null) {
    findings.problem(path, 'must be set');
    return INITIAL_FETCH_TIMEOUT_MS;
  }
  switch (source.configSourceSpecifier) {
    case 'ads':
    case 'self':
      break;
    case 'apiConfigSource':
      findings.warn(`${path}.api_config_source`, 'the resource is asked for on the ADS stream');
      break;
    case 'path':
    case 'pathConfigSource':
      findings.problem(path, 'files as the source of resources are not supported; use ads');
      break;
    case undefined:
      findings.problem(path, 'one of ads, self or api_config_source must be set');
  }
  return durationMs(
    source.initialFetchTimeout,
    INITIAL_FETCH_TIMEOUT_MS,
    `${path}.initial_fetch_timeout`,
    findings,
  );
}
