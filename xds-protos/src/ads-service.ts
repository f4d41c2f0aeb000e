import { envoy } from '../gen/protos.js';
import { grpcMethod } from './grpc-method.js';

const discovery = envoy.service.discovery.v3;
const SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

/**
 * The gRPC service of aggregated discovery, for grpc-js's server and client alike.
 *
 * Source: envoy.service.discovery.v3.AggregatedDiscoveryService.
 * Errors: a deserializer throws for malformed bytes; grpc-js ends that call with INTERNAL.
 */
export const adsService = {
  StreamAggregatedResources: grpcMethod(
    SERVICE,
    'StreamAggregatedResources',
    true,
    discovery.DiscoveryRequest,
    discovery.DiscoveryResponse,
  ),
  DeltaAggregatedResources: grpcMethod(
    SERVICE,
    'DeltaAggregatedResources',
    true,
    discovery.DeltaDiscoveryRequest,
    discovery.DeltaDiscoveryResponse,
  ),
} as const;
