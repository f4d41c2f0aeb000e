import { envoy } from '../gen/protos.js';
import type { MessageType } from './message-type.js';

const discovery = envoy.service.discovery.v3;

/**
 * One bidirectional method, in the shape that grpc-js wants in a `ServiceDefinition`.
 *
 * A message already encoded may be given as bytes: it is passed on as it is.
 */
export interface StreamMethod<Request, RequestInput, Response, ResponseInput> {
  readonly path: string;
  readonly originalName: string;
  readonly requestStream: true;
  readonly responseStream: true;
  readonly requestSerialize: (message: RequestInput | Uint8Array) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (message: ResponseInput | Uint8Array) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function serializer<Input extends object>(type: MessageType<object, Input>) {
  return (message: Input | Uint8Array): Buffer =>
    asBuffer(message instanceof Uint8Array ? message : type.encode(message).finish());
}

function method<
  Request extends object,
  RequestInput extends object,
  Response extends object,
  ResponseInput extends object,
>(
  name: string,
  request: MessageType<Request, RequestInput>,
  response: MessageType<Response, ResponseInput>,
): StreamMethod<Request, RequestInput, Response, ResponseInput> {
  return {
    path: `/envoy.service.discovery.v3.AggregatedDiscoveryService/${name}`,
    originalName: name.charAt(0).toLowerCase() + name.slice(1),
    requestStream: true,
    responseStream: true,
    requestSerialize: serializer(request),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: serializer(response),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

/**
 * The gRPC service of aggregated discovery, for grpc-js's server and client alike.
 *
 * Source: envoy.service.discovery.v3.AggregatedDiscoveryService.
 * Errors: a deserializer throws for malformed bytes; grpc-js ends that call with INTERNAL.
 */
export const adsService = {
  StreamAggregatedResources: method(
    'StreamAggregatedResources',
    discovery.DiscoveryRequest,
    discovery.DiscoveryResponse,
  ),
  DeltaAggregatedResources: method(
    'DeltaAggregatedResources',
    discovery.DeltaDiscoveryRequest,
    discovery.DeltaDiscoveryResponse,
  ),
} as const;
