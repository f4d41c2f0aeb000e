export {
  ControlPlane,
  type ControlPlaneOptions,
  type IdentityOptions,
  type InjectionOptions,
  type ListeningPorts,
} from './server.js';
export { HEDDLED_USAGE, parseHeddledArguments, type HeddledConfig } from './bootstrap.js';
export { HEDDLE_VERSION } from './version.js';
export { type MeshState } from './mesh-state.js';
export { buildModel } from './model/build-model.js';
export { defaultMeshSettings, type MeshSettings } from './model/mesh-settings.js';
export { CLUSTER_ID } from './model/cluster-id.js';
export {
  tlsModeLabel,
  tunnelLabel,
  tunnelPortAnnotation,
  workloadNameLabel,
} from './model/build-services.js';
export type {
  Endpoint,
  GatewayConfig,
  MeshModel,
  Service,
  ServicePort,
  Workload,
} from './model/mesh-model.js';
export { type MeshKind, type MeshResource } from './model/mesh-resource.js';
export { type SourceProblem } from './model/source-problem.js';
export {
  createFileSource,
  type FileSource,
  type FileSourceOptions,
  type SourceChange,
} from './source/file-source.js';
export {
  explainMesh,
  type ExplainedMesh,
  type ExplainedMeshWay,
  type MeshExplanation,
  type NotExplained,
  type RequestToExplain,
} from './explain/explain-mesh.js';
export { folderMesh, type OtherCaller } from './explain/folder-mesh.js';
export { type ConfigOrigin } from './explain/origin-of.js';
export { parseRequestUrl, type RequestUrl } from './explain/request-url.js';
export { proxyConfigOf } from './explain/proxy-config-of.js';
export { formatProblem } from './source/format-problem.js';
export { parseMeshFile } from './source/parse-mesh-file.js';
export { translateProxy } from './translate/translate-proxy.js';
export { type ProxyResources } from './translate/proxy-resources.js';
export { proxyViewOf, viewKey, type ExplicitPorts, type ProxyView } from './translate/proxy-view.js';
export { encodeResources } from './snapshot/encode-resources.js';
export { type RawResource } from './snapshot/resource-store.js';
export { SnapshotCache } from './snapshot/snapshot-cache.js';
export { AdsService, type ProxyStatus } from './xds-server/ads-service.js';
