import { connect as connectPlainly, type NetConnectOpts, type Socket } from 'node:net';
import { BrokenInvariantError } from '@heddle/common';
import type { AddressConfig, ClusterConfig, DynamicMetadata, FilterState } from '@heddle/engine';
import { writeProxyHeader } from '../codec/proxy-protocol/write-proxy-header.js';
import { VERIFIED_EVENT, type MakeTlsSocket, type SpokenProtocols } from '../tls/transport.js';
import type { ClientConnection } from './client-connection.js';
import type { Host } from './host.js';

/** What a connection is made with beside its host. */
export interface OpenOptions {
  readonly makers?: SocketMakers;
  /** Where to, if not where requests go. */
  readonly address?: AddressConfig;
  /** What listeners inside this process are told of the filter state. */
  readonly filterState?: FilterState | undefined;
  /** For whom it is made; undefined: for this proxy itself. */
  readonly client?: ClientConnection | undefined;
}

/** What makes the sockets: whoever reads from them may have them read in a way of its own. */
export interface SocketMakers {
  readonly connect: (options: NetConnectOpts) => Socket;
  readonly connectTls: MakeTlsSocket | undefined;
}

const NODE_SOCKETS: SocketMakers = { connect: connectPlainly, connectTls: undefined };

/** Starts connecting to a host as its cluster does: with the socket options, and the transport socket of the host. */
export function openSocket(
  config: ClusterConfig,
  host: Host,
  protocols: SpokenProtocols,
  { makers = NODE_SOCKETS, address = host.address, filterState, client }: OpenOptions = {},
): Socket {
  const { addressText, transport } = host;
  const tls = transport?.tls;
  const proxyProtocol = transport?.wrapping.proxyProtocol;
  // What TLS is spoken over is read by TLS alone.
  const plainMakers = tls === undefined ? makers : NODE_SOCKETS;
  const isByTlsAlone = tls !== undefined && proxyProtocol === undefined && address.kind !== 'internal';
  const inner = isByTlsAlone ? undefined : connectTo(config, host, address, filterState, plainMakers);
  // Before whoever waits for the connection writes anything.
  if (inner !== undefined && proxyProtocol !== undefined)
    inner.once('connect', () => inner.write(proxyHeaderFor(proxyProtocol, client, inner)));
  if (tls === undefined) return inner as Socket;
  const { tcpKeepalive } = config;
  const bindAddress = bindAddressFor(config, address);
  const keepAliveIdleMs = tcpKeepalive.enabled ? tcpKeepalive.idleMs : undefined;
  const makeSocket = makers.connectTls;
  return tls.connect({ address, addressText, bindAddress, keepAliveIdleMs, makeSocket, inner }, protocols);
}

/** A connection whose bytes are what is written. */
function connectTo(
  config: ClusterConfig,
  host: Host,
  address: AddressConfig,
  filterState: FilterState | undefined,
  { connect }: SocketMakers,
): Socket {
  const { tcpKeepalive } = config;
  if (address.kind === 'internal') return connectInside(config, host, address, filterState);
  if (address.kind === 'pipe') return connect({ path: address.path, allowHalfOpen: true });
  const bindAddress = bindAddressFor(config, address);
  return connect({
    host: address.host,
    port: address.port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: tcpKeepalive.enabled,
    keepAliveInitialDelay: tcpKeepalive.idleMs,
    ...(bindAddress?.kind === 'socket'
      ? { localAddress: bindAddress.host, localPort: bindAddress.port }
      : {}),
  });
}

/** Source: Envoy: from where and to where the client's connection was, as far as that is restored; the text knows no better word for ours. */
function proxyHeaderFor(version: 1 | 2, client: ClientConnection | undefined, socket: Socket): Buffer {
  if (client !== undefined) {
    const { remoteAddress, remoteIp, localIp, localPort } = client;
    const remotePort = Number(remoteAddress.slice(remoteAddress.lastIndexOf(':') + 1));
    const source = { host: remoteIp, port: remotePort };
    return writeProxyHeader(version, { source, destination: { host: localIp, port: localPort } });
  }
  const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
  const own = {
    source: { host: localAddress, port: localPort },
    destination: { host: remoteAddress, port: remotePort },
  };
  return writeProxyHeader(version, version === 1 ? own : undefined);
}

/** Connects to a listener of this process, and tells it what the transport socket says that it is to be told. */
function connectInside(
  { passthroughMetadata: ofCluster = {} }: ClusterConfig,
  { transport, metadata: ofHost, internalListeners }: Host,
  { listener }: Extract<AddressConfig, { kind: 'internal' }>,
  filterState: FilterState | undefined,
): Socket {
  // A host is where its address is from the moment on that it is made.
  if (internalListeners === undefined)
    throw new BrokenInvariantError('a host that is nowhere in this process');
  const told = transport?.wrapping.passthroughMetadata;
  if (told === undefined) return internalListeners.connect(listener, { metadata: undefined, filterState });
  const metadata = new Map<string, DynamicMetadata>();
  for (const { of, name } of told) {
    const found = (of === 'host' ? ofHost : ofCluster)[name];
    if (typeof found === 'object' && found !== null) metadata.set(name, found as DynamicMetadata);
  }
  return internalListeners.connect(listener, { metadata, filterState });
}

/** Source: Envoy: the extra source address of the host's family, where the first is of another. */
function bindAddressFor(
  { bindAddress, extraBindAddresses }: ClusterConfig,
  address: AddressConfig,
): AddressConfig | undefined {
  if (extraBindAddresses === undefined || bindAddress === undefined || isSameFamily(bindAddress, address))
    return bindAddress;
  return extraBindAddresses.find((extra) => isSameFamily(extra, address)) ?? bindAddress;
}

function isSameFamily(a: AddressConfig, b: AddressConfig): boolean {
  return a.kind === 'socket' && b.kind === 'socket' && a.host.includes(':') === b.host.includes(':');
}

/** The event by which a socket of this host tells that it may be written to. */
export function connectEventOf(host: Host): 'connect' | typeof VERIFIED_EVENT {
  return host.transport?.tls === undefined ? 'connect' : VERIFIED_EVENT;
}
