import type { MessageType } from './message-type.js';

/**
 * One method, in the shape that grpc-js wants in a `ServiceDefinition`.
 *
 * A message already encoded may be given as bytes: it is passed on as it is.
 */
export interface GrpcMethod<Request, RequestInput, Response, ResponseInput, Streams extends boolean> {
  readonly path: string;
  readonly originalName: string;
  readonly requestStream: Streams;
  readonly responseStream: Streams;
  readonly requestSerialize: (message: RequestInput | Uint8Array) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (message: ResponseInput | Uint8Array) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/**
 * A method of a service, streaming in both directions or in neither.
 *
 * Errors: a deserializer throws for malformed bytes; grpc-js ends that call with INTERNAL.
 */
export function grpcMethod<
  Request extends object,
  RequestInput extends object,
  Response extends object,
  ResponseInput extends object,
  Streams extends boolean,
>(
  service: string,
  name: string,
  streams: Streams,
  request: MessageType<Request, RequestInput>,
  response: MessageType<Response, ResponseInput>,
): GrpcMethod<Request, RequestInput, Response, ResponseInput, Streams> {
  return {
    path: `/${service}/${name}`,
    originalName: name.charAt(0).toLowerCase() + name.slice(1),
    requestStream: streams,
    responseStream: streams,
    requestSerialize: serializer(request),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: serializer(response),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

function serializer<Input extends object>(type: MessageType<object, Input>) {
  return (message: Input | Uint8Array): Buffer =>
    asBuffer(message instanceof Uint8Array ? message : type.encode(message).finish());
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
