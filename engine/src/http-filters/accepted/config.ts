import { envoy, istio, type MessageType } from '@heddle/xds-protos';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

/**
 * Filters that Istio's control plane and its bootstrap give to every sidecar and that do nothing here, because nothing is let
 * through, kept out or changed by their absence that anybody relies on.
 */
export const acceptedFilters: readonly HttpFilterFactoryConfig[] = [
  // What is offered in an upstream's TLS handshake follows from the cluster and the codec in use.
  accepted('istio.alpn', istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig),
  // Messages of gRPC are counted for Istio's metrics without it.
  accepted('envoy.filters.http.grpc_stats', envoy.extensions.filters.http.grpc_stats.v3.FilterConfig),
  // Answers go as they are: a client that takes compressed ones takes these too.
  accepted('envoy.filters.http.compressor', envoy.extensions.filters.http.compressor.v3.Compressor),
];

function accepted(name: string, type: MessageType<object>): HttpFilterFactoryConfig {
  return {
    name,
    typeUrl: `type.googleapis.com/${type.typeName}`,
    perRouteTypeUrl: undefined,
    terminal: false,
    parse(bytes, path) {
      const findings = new Findings();
      decodeAs(bytes, type, path, findings);
      return findings.finish({});
    },
    parsePerRoute(_bytes, path) {
      return { ok: false, problems: [{ path, message: `${name} takes no configuration per route` }] };
    },
  };
}
