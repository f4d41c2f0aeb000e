import { envoy } from '@heddle/xds-protos';
import type { Translated } from '../../config/problem.js';
import { decodeAs } from '../../translate/any-config.js';
import { translateConfigSource } from '../../translate/config-source.js';
import { Findings } from '../../translate/findings.js';
import { durationMs } from '../../translate/proto-values.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { OnDemand, PerRouteConfig } = envoy.extensions.filters.http.on_demand.v3;

/** Envoy's default. */
const CLUSTER_TIMEOUT_MS = 5000;

/** Source: envoy.extensions.filters.http.on_demand.v3. */
export interface OnDemandConfig {
  /** How long a request waits for a cluster that is not there; undefined: none is fetched for it. */
  readonly clusterTimeoutMs: number | undefined;
}

export const onDemandFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.on_demand',
  typeUrl: `type.googleapis.com/${OnDemand.typeName}`,
  perRouteTypeUrl: `type.googleapis.com/${PerRouteConfig.typeName}`,
  terminal: false,
  parse(bytes, path) {
    const findings = new Findings();
    return translated(decodeAs(bytes, OnDemand, path, findings), path, findings);
  },
  parsePerRoute(bytes, path) {
    const findings = new Findings();
    return translated(decodeAs(bytes, PerRouteConfig, path, findings), path, findings);
  },
};

function translated(
  message: envoy.extensions.filters.http.on_demand.v3.PerRouteConfig | undefined,
  path: string,
  findings: Findings,
): Translated<OnDemandConfig> {
  const odcds = message?.odcds ?? null;
  if (odcds === null) return findings.finish(Object.freeze({ clusterTimeoutMs: undefined }));
  const at = `${path}.odcds`;
  translateConfigSource(odcds.source, `${at}.source`, findings);
  findings.unsupported(`${at}.resources_locator`, odcds.resourcesLocator !== '', 'problem');
  const clusterTimeoutMs = durationMs(odcds.timeout, CLUSTER_TIMEOUT_MS, `${at}.timeout`, findings);
  return findings.finish(Object.freeze({ clusterTimeoutMs }));
}
