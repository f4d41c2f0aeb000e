import { connect as connectPlainly, type NetConnectOpts, type Socket } from 'node:net';
import { BrokenInvariantError } from '@heddle/common';
import type { AddressConfig, ClusterConfig, DynamicMetadata, FilterState } from '@heddle/engine';
import { VERIFIED_EVENT, type MakeTlsSocket, type SpokenProtocols } from '../tls/transport.js';
import type { Host } from './host.js';

/** What makes the sockets: whoever reads from them may have them read in a way of its own. */
export interface SocketMakers {
  readonly connect: (options: NetConnectOpts) => Socket;
  readonly connectTls: MakeTlsSocket | undefined;
}

const NODE_SOCKETS: SocketMakers = { connect: connectPlainly, connectTls: undefined };

/**
 * Starts connecting to a host as its cluster does: with the socket options, and the transport socket of the host. `address`: where
 * to, if not where requests go. `filterState`: what listeners inside this process are told of the filter state.
 */
export function openSocket(
  config: ClusterConfig,
  host: Host,
  protocols: SpokenProtocols,
  { connect, connectTls }: SocketMakers = NODE_SOCKETS,
  address: AddressConfig = host.address,
  filterState?: FilterState,
): Socket {
  const { addressText } = host;
  const tls = host.transport?.tls;
  const { tcpKeepalive } = config;
  const bindAddress = bindAddressFor(config, address);
  const inner = address.kind === 'internal' ? connectInside(config, host, address, filterState) : undefined;
  if (tls !== undefined) {
    const keepAliveIdleMs = tcpKeepalive.enabled ? tcpKeepalive.idleMs : undefined;
    const target = { address, addressText, bindAddress, keepAliveIdleMs, makeSocket: connectTls, inner };
    return tls.connect(target, protocols);
  }
  if (address.kind === 'internal') return inner as Socket;
  if (address.kind === 'pipe') return connect({ path: address.path, allowHalfOpen: true });
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
