import { isDeepStrictEqual } from 'node:util';
import type { EndpointConfig } from '../config/endpoints-config.js';

/** The namespace of endpoint metadata that transport socket matches look at. Source: Envoy. */
const MATCH_NAMESPACE = 'envoy.transport_socket_match';

/** Whether a host with this metadata is one that a transport socket match is for. Source: Cluster.TransportSocketMatch. */
export function matchesTransportSocket(
  wanted: readonly (readonly [name: string, value: unknown])[],
  metadata: EndpointConfig['metadata'],
): boolean {
  const given = (metadata[MATCH_NAMESPACE] ?? {}) as Readonly<Record<string, unknown>>;
  return wanted.every(([name, value]) => isDeepStrictEqual(given[name], value));
}
