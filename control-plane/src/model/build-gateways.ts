import { isHttp, namedProtocol } from './app-protocol.js';
import type { GatewayConfig, GatewayServer, ServerTls } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import { gatewayNameLabel } from './policy-target.js';
import type { GatewaySpec, KubernetesGatewaySpec, ServerTlsSpec } from './specs/gateways.js';

/** Istio's `Gateway`. */
export function gatewayOf(resource: MeshResource): GatewayConfig {
  const spec = resource.spec as GatewaySpec;
  const taken = new Set<string>();
  return {
    key: `${resource.namespace}/${resource.name}`,
    name: resource.name,
    namespace: resource.namespace,
    selector: spec.selector ?? {},
    anyNamespace: true,
    servers: spec.servers.map((server, i): GatewayServer => ({
      name: uniqueName(server.name ?? (server.port.name || String(i)), taken),
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
      tls: isSecure(server.port.protocol) ? serverTlsOf(server.tls) : undefined,
      httpsRedirect: server.tls?.httpsRedirect ?? false,
    })),
  };
}

/** The name goes into names of resources, where each server has its own and few characters are allowed. */
function uniqueName(written: string, taken: Set<string>): string {
  const base = written.replaceAll(/[^A-Za-z0-9-]/g, '-');
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
  taken.add(name);
  return name;
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
        tls: isSecure(listener.protocol)
          ? {
              ...noServerTls,
              mode: listener.tls?.mode === 'Passthrough' ? 'passthrough' : 'simple',
              credentialNames: (listener.tls?.certificateRefs ?? []).map(({ name }) => name),
            }
          : undefined,
        httpsRedirect: false,
      };
    }),
  };
}

function isSecure(protocol: string): boolean {
  return protocol.toUpperCase() === 'HTTPS' || protocol.toUpperCase() === 'TLS';
}

function gatewayProtocol(written: string, portName: string): GatewayServer['protocol'] {
  const protocol = namedProtocol(written, portName);
  if (protocol === 'https') return 'http';
  return isHttp(protocol) ? protocol : 'tcp';
}

const noServerTls: ServerTls = {
  mode: 'simple',
  credentialNames: [],
  certificateFile: '',
  keyFile: '',
  caFile: '',
  crlFile: '',
  subjectAltNames: [],
  publicKeyHashes: [],
  certificateHashes: [],
  minVersion: undefined,
  maxVersion: undefined,
  cipherSuites: [],
};

const modes: Readonly<Record<string, ServerTls['mode']>> = {
  SIMPLE: 'simple',
  MUTUAL: 'mutual',
  OPTIONAL_MUTUAL: 'optional-mutual',
  ISTIO_MUTUAL: 'istio-mutual',
  PASSTHROUGH: 'passthrough',
};

function serverTlsOf(spec: ServerTlsSpec = {}): ServerTls {
  return {
    mode: modes[spec.mode ?? ''] ?? 'passthrough',
    credentialNames: spec.credentialNames ?? (spec.credentialName === undefined ? [] : [spec.credentialName]),
    certificateFile: spec.serverCertificate ?? '',
    keyFile: spec.privateKey ?? '',
    caFile: spec.caCertificates ?? '',
    crlFile: spec.caCrl ?? '',
    subjectAltNames: spec.subjectAltNames ?? [],
    publicKeyHashes: spec.verifyCertificateSpki ?? [],
    certificateHashes: spec.verifyCertificateHash ?? [],
    minVersion: versionOf(spec.minProtocolVersion),
    maxVersion: versionOf(spec.maxProtocolVersion),
    cipherSuites: spec.cipherSuites ?? [],
  };
}

function versionOf(text: string | undefined): ServerTls['minVersion'] {
  if (text === 'TLSV1_2') return '1.2';
  return text === 'TLSV1_3' ? '1.3' : undefined;
}
