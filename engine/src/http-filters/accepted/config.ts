import { envoy, istio } from '@heddle/xds-protos';
import { filterWithoutSettings } from '../../translate/filter-without-settings.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

/**
 * Filters that Istio's control plane and its bootstrap give to every sidecar and that do nothing here, because nothing is let
 * through, kept out or changed by their absence that anybody relies on.
 */
export const acceptedFilters: readonly HttpFilterFactoryConfig[] = [
  // What is offered in an upstream's TLS handshake follows from the cluster and the codec in use.
  filterWithoutSettings('istio.alpn', istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig),
  // Messages of gRPC are counted for Istio's metrics without it.
  filterWithoutSettings(
    'envoy.filters.http.grpc_stats',
    envoy.extensions.filters.http.grpc_stats.v3.FilterConfig,
  ),
  // Answers go as they are: a client that takes compressed ones takes these too.
  filterWithoutSettings(
    'envoy.filters.http.compressor',
    envoy.extensions.filters.http.compressor.v3.Compressor,
  ),
];
