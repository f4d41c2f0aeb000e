import { connect as connectPlainly, type NetConnectOpts, type Socket } from 'node:net';
import type { ClusterConfig } from '@heddle/engine';
import type { Host } from './host.js';

/** Starts connecting to a host with the socket options of its cluster; `connectSocket` of the codecs may do it. */
export function openSocket(
  config: ClusterConfig,
  host: Host,
  connect: (options: NetConnectOpts) => Socket = connectPlainly,
): Socket {
  const { address } = host;
  if (address.kind === 'pipe') return connect({ path: address.path, allowHalfOpen: true });
  const { bindAddress, tcpKeepalive } = config;
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
