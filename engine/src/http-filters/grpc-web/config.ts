import { envoy } from '@heddle/xds-protos';
import { filterWithoutSettings } from '../../translate/filter-without-settings.js';

/** Clients by gRPC-Web are served as those by gRPC are. */
export const grpcWebFilter = filterWithoutSettings(
  'envoy.filters.http.grpc_web',
  envoy.extensions.filters.http.grpc_web.v3.GrpcWeb,
);
