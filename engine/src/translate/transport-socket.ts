import { envoy, type MessageType } from '@heddle/xds-protos';
import type { DownstreamTlsConfig } from '../config/tls-config.js';
import type {
  PassthroughMetadataConfig,
  RawBufferConfig,
  UpstreamSocketConfig,
} from '../config/transport-socket-config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { enumName, requiredText } from './proto-values.js';
import { translateDownstreamTls, translateUpstreamTls } from './tls-context.js';

type TransportSocket = envoy.config.core.v3.TransportSocket;

const { DownstreamTlsContext, UpstreamTlsContext } = envoy.extensions.transport_sockets.tls.v3;
const { InternalUpstreamTransport } = envoy.extensions.transport_sockets.internal_upstream.v3;
const { ProxyProtocolUpstreamTransport } = envoy.extensions.transport_sockets.proxy_protocol.v3;
const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
const RAW: RawBufferConfig = Object.freeze({ kind: 'raw' });

/** What clients speak to a filter chain. Source: envoy.config.listener.v3.FilterChain.transport_socket. */
export function translateDownstreamSocket(
  socket: TransportSocket | null,
  path: string,
  findings: Findings,
): RawBufferConfig | DownstreamTlsConfig {
  return translateSocket(socket, path, findings, DownstreamTlsContext, translateDownstreamTls);
}

/** What is spoken to the hosts of a cluster. Source: envoy.config.cluster.v3.Cluster.transport_socket. */
export function translateUpstreamSocket(
  socket: TransportSocket | null,
  path: string,
  findings: Findings,
): UpstreamSocketConfig {
  const { typedConfig = null } = socket ?? {};
  const name = typedConfig === null ? '' : typeNameOfUrl(typedConfig.typeUrl);
  const at = `${path}.typed_config`;
  if (typedConfig !== null && name === InternalUpstreamTransport.typeName) {
    const internal = unpackAs(typedConfig, InternalUpstreamTransport, at, findings);
    return internal === undefined ? RAW : translateInternalUpstream(internal, at, findings);
  }
  if (typedConfig !== null && name === ProxyProtocolUpstreamTransport.typeName) {
    const proxied = unpackAs(typedConfig, ProxyProtocolUpstreamTransport, at, findings);
    return proxied === undefined ? RAW : translateProxyProtocol(proxied, at, findings);
  }
  return translateSocket(socket, path, findings, UpstreamTlsContext, translateUpstreamTls);
}

/** What is spoken behind the header, and which one that is. */
function translateProxyProtocol(
  {
    config,
    transportSocket,
  }: envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport,
  path: string,
  findings: Findings,
): UpstreamSocketConfig {
  if (transportSocket === null) findings.problem(`${path}.transport_socket`, 'must be set');
  const named = enumName(['v1', 'v2'] as const, config?.version ?? 0, `${path}.config.version`, findings);
  const passesValues = (config?.passThroughTlvs ?? null) !== null;
  findings.unsupported(`${path}.config.pass_through_tlvs`, passesValues, 'problem');
  const inner = translateUpstreamSocket(transportSocket, `${path}.transport_socket`, findings);
  return { ...inner, proxyProtocol: named === 'v2' ? 2 : 1 };
}

/** What is spoken inside of it, and what is told of the connection. */
function translateInternalUpstream(
  internal: envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport,
  path: string,
  findings: Findings,
): UpstreamSocketConfig {
  if (internal.transportSocket === null) findings.problem(`${path}.transport_socket`, 'must be set');
  const inner = translateUpstreamSocket(internal.transportSocket, `${path}.transport_socket`, findings);
  const sources = internal.passthroughMetadata.flatMap(({ kind, name }, i): PassthroughMetadataConfig[] => {
    const at = `${path}.passthrough_metadata[${i}]`;
    if (kind?.kind === 'host' || kind?.kind === 'cluster') {
      return [{ of: kind.kind, name: requiredText(name, `${at}.name`, findings) }];
    }
    findings.problem(`${at}.kind`, 'must be host or cluster');
    return [];
  });
  return sources.length === 0 ? inner : { ...inner, passthroughMetadata: sources };
}

/** Anything that is neither plain text nor TLS is a problem: it must not become plain text. */
function translateSocket<Message extends object, Config>(
  socket: TransportSocket | null,
  path: string,
  findings: Findings,
  type: MessageType<Message>,
  translate: (context: Message, path: string, findings: Findings) => Config,
): RawBufferConfig | Config {
  if (socket === null) return RAW;
  const { typedConfig } = socket;
  const at = `${path}.typed_config`;
  if (typedConfig === null) {
    if (socket.name !== 'envoy.transport_sockets.raw_buffer') findings.problem(at, 'must be set');
    return RAW;
  }
  const name = typeNameOfUrl(typedConfig.typeUrl);
  if (name === type.typeName) {
    const context = unpackAs(typedConfig, type, at, findings);
    return context === undefined ? RAW : translate(context, at, findings);
  }
  if (name !== RAW_BUFFER) {
    findings.problem(at, `transport socket ${JSON.stringify(typedConfig.typeUrl)} is not supported`);
  }
  return RAW;
}
