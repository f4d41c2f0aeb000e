import { envoy } from '@heddle/xds-protos';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { FilterConfig } = envoy.extensions.filters.http.grpc_stats.v3;

/**
 * Accepted, because Istio's control plane sends it to every sidecar. It does nothing here: messages of gRPC are counted for Istio's
 * metrics without it.
 */
export const grpcStatsFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.grpc_stats',
  typeUrl: `type.googleapis.com/${FilterConfig.typeName}`,
  perRouteTypeUrl: undefined,
  terminal: false,
  parse(bytes, path) {
    const findings = new Findings();
    decodeAs(bytes, FilterConfig, path, findings);
    return findings.finish({});
  },
  parsePerRoute(_bytes, path) {
    return { ok: false, problems: [{ path, message: 'gRPC statistics take no configuration per route' }] };
  },
};
