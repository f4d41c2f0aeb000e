import { envoy } from '../gen/protos.js';
import { grpcMethod } from './grpc-method.js';

const discovery = envoy.service.discovery.v3;
const SERVICE = 'envoy.service.secret.v3.SecretDiscoveryService';

/**
 * The gRPC service by which proxies get certificates, for grpc-js's server and client alike.
 *
 * Source: envoy.service.secret.v3.SecretDiscoveryService.
 */
export const sdsService = {
  StreamSecrets: grpcMethod(
    SERVICE,
    'StreamSecrets',
    true,
    discovery.DiscoveryRequest,
    discovery.DiscoveryResponse,
  ),
  DeltaSecrets: grpcMethod(
    SERVICE,
    'DeltaSecrets',
    true,
    discovery.DeltaDiscoveryRequest,
    discovery.DeltaDiscoveryResponse,
  ),
  FetchSecrets: grpcMethod(
    SERVICE,
    'FetchSecrets',
    false,
    discovery.DiscoveryRequest,
    discovery.DiscoveryResponse,
  ),
} as const;
