export { envoy, google, io, istio, stats, udpa, xds } from '../gen/protos.js';
export { adsService } from './ads-service.js';
export { packAny, typeUrlOf, unpackAny, type PackedAny } from './any.js';
export { certificateService } from './certificate-service.js';
export { fromJson } from './from-json.js';
export type { GrpcMethod } from './grpc-method.js';
export type { ProtoProblem } from './json-problem.js';
export { messageType, typeNameOf, typeOf, type MessageType } from './message-type.js';
export {
  resourceNames,
  type ClusterNameParts,
  type ListenerNameParts,
  type RouteNameParts,
  type TrafficSide,
  type VirtualHostResourceParts,
} from './resource-names.js';
export { discoveryMethods, type DiscoveryMethods } from './discovery-services.js';
export { sdsService } from './sds-service.js';
export { toJson, type JsonValue, type ToJsonOptions } from './to-json.js';
export { typeUrls } from './type-urls.js';
export { unknownFieldsOf, type UnknownField, type UnknownFieldsOptions } from './unknown-fields.js';
