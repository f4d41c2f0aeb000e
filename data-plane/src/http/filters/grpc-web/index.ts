import { grpcWebFilter as config } from '@heddle/engine';
import type { HttpFilter } from '../../filter.js';
import { GrpcWebFilter } from './grpc-web-filter.js';

/** Source: envoy.extensions.filters.http.grpc_web.v3. */
export const grpcWebFilter: HttpFilter = {
  name: config.name,
  typeUrl: config.typeUrl,
  create: () => (handle) => new GrpcWebFilter(handle),
};
