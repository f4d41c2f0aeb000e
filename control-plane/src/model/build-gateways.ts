import { namedProtocol } from './app-protocol.js';
import type { GatewayConfig, GatewayServer } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import { gatewayNameLabel } from './policy-target.js';
import type { GatewaySpec, KubernetesGatewaySpec } from './resource-specs.js';

/** Istio's `Gateway`. */
export function gatewayOf(resource: MeshResource): GatewayConfig {
  const spec = resource.spec as GatewaySpec;
  return {
    key: `${resource.namespace}/${resource.name}`,
    name: resource.name,
    namespace: resource.namespace,
    selector: spec.selector ?? {},
    anyNamespace: true,
    servers: spec.servers.map((server, i): GatewayServer => ({
      name: server.name ?? (server.port.name || String(i)),
      port: server.port.number,
      protocol: gatewayProtocol(server.port.protocol, server.port.name),
      hosts: server.hosts.map((text) => {
        const slash = text.indexOf('/');
        const namespace = slash < 0 ? '*' : text.slice(0, slash);
        return {
          namespace: namespace === '.' ? resource.namespace : namespace,
          host: text.slice(slash + 1).toLowerCase(),
        };
      }),
    })),
  };
}

/** The `Gateway` of gateway.networking.k8s.io. */
export function gatewayOfKubernetes(resource: MeshResource): GatewayConfig {
  const spec = resource.spec as KubernetesGatewaySpec;
  return {
    key: `${resource.namespace}/${resource.name}`,
    name: resource.name,
    namespace: resource.namespace,
    selector: { [gatewayNameLabel]: resource.name },
    anyNamespace: false,
    servers: spec.listeners.map((listener): GatewayServer => {
      const from = listener.allowedRoutes?.namespaces?.from ?? 'Same';
      return {
        name: listener.name,
        port: listener.port,
        protocol: gatewayProtocol(listener.protocol, listener.name),
        hosts:
          from === 'None'
            ? []
            : [
                {
                  namespace: from === 'All' ? '*' : resource.namespace,
                  host: (listener.hostname ?? '*').toLowerCase(),
                },
              ],
      };
    }),
  };
}

function gatewayProtocol(written: string, portName: string): GatewayServer['protocol'] {
  const protocol = namedProtocol(written, portName);
  return protocol === 'http' || protocol === 'http2' || protocol === 'grpc' ? protocol : 'tcp';
}
