import { envoy, istio, typeUrls } from '@heddle/xds-protos';
import type { ProxyResources } from '../translate/proxy-resources.js';
import type { RawResource } from './resource-store.js';

type Encoder<T> = { encode(message: T): { finish(): Uint8Array } };

/** Messages are never changed once they are made, and those of unchanged parts of the model are the same objects. */
const encoded = new WeakMap<object, RawResource>();

/**
 * Encodes what translation made, in the order in which a proxy needs it.
 * Cost: each message once, however many views and models share it.
 */
export function* encodeResources(resources: ProxyResources): Iterable<RawResource> {
  const { Cluster } = envoy.config.cluster.v3;
  const { Listener } = envoy.config.listener.v3;
  const { RouteConfiguration } = envoy.config.route.v3;
  yield* encodeAll(typeUrls.cluster, Cluster, resources.clusters);
  yield* encodeLoadAssignments(resources.loadAssignments);
  const { Secret } = envoy.extensions.transport_sockets.tls.v3;
  yield* encodeAll(typeUrls.secret, Secret, resources.secrets);
  yield* encodeAll(typeUrls.nameTable, istio.networking.nds.v1.NameTable, resources.nameTables);
  yield* encodeAll(typeUrls.listener, Listener, resources.listeners);
  yield* encodeAll(typeUrls.routeConfiguration, RouteConfiguration, resources.routeConfigurations);
}

/** The endpoints alone. */
export function encodeLoadAssignments(assignments: ProxyResources['loadAssignments']): Iterable<RawResource> {
  const { ClusterLoadAssignment } = envoy.config.endpoint.v3;
  return encodeAll(typeUrls.clusterLoadAssignment, ClusterLoadAssignment, assignments);
}

function* encodeAll<T extends object>(
  typeUrl: string,
  encoder: Encoder<T>,
  messages: ReadonlyMap<string, T>,
): Iterable<RawResource> {
  for (const [name, message] of messages) {
    let raw = encoded.get(message);
    if (raw === undefined) {
      raw = { typeUrl, name, value: encoder.encode(message).finish() };
      encoded.set(message, raw);
    }
    yield raw;
  }
}
