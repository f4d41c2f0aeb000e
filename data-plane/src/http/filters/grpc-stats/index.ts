import type { HttpObserver } from '../../filter.js';

/** Accepted from Istio's control plane; its metrics count the messages of gRPC without it. */
export const grpcStatsFilter: HttpObserver = {
  name: 'envoy.filters.http.grpc_stats',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  observe: () => undefined,
};
