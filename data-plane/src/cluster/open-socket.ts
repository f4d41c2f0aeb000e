import { connect as connectPlainly, type NetConnectOpts, type Socket } from 'node:net';
import type { AddressConfig, ClusterConfig } from '@heddle/engine';
import { VERIFIED_EVENT } from '../tls/transport.js';
import type { Host } from './host.js';

/**
 * Starts connecting to a host as its cluster does: with the socket options, and the transport socket of the host. Plain sockets may be
 * connected by `connectSocket` of the codecs. `address`: where to, if not where requests go.
 */
export function openSocket(
  config: ClusterConfig,
  host: Host,
  protocols: 'http' | 'any',
  connect: (options: NetConnectOpts) => Socket = connectPlainly,
  address: AddressConfig = host.address,
): Socket {
  const { addressText, transport } = host;
  const { bindAddress, tcpKeepalive } = config;
  if (transport !== undefined) {
    const keepAliveIdleMs = tcpKeepalive.enabled ? tcpKeepalive.idleMs : undefined;
    return transport.connect({ address, addressText, bindAddress, keepAliveIdleMs }, protocols);
  }
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

/** The event by which a socket of this host tells that it may be written to. */
export function connectEventOf(host: Host): 'connect' | typeof VERIFIED_EVENT {
  return host.transport === undefined ? 'connect' : VERIFIED_EVENT;
}
