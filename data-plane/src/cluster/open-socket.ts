import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { ClusterConfig } from '@heddle/engine';
import type { Host } from './host.js';

const READ_BUFFER_BYTES = 64 * 1024;

/** What is read is dealt with before the next read of any socket of this thread, so all of them read into the same memory. */
let readBuffer: Buffer | undefined;

function readInto(onBytes: (chunk: Buffer) => void): OnReadOpts {
  readBuffer ??= Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  const buffer = readBuffer;
  return {
    buffer,
    callback: (bytes) => {
      onBytes(buffer.subarray(0, bytes));
      return true;
    },
  };
}

/**
 * Starts connecting to a host with the socket options of its cluster.
 *
 * With `onBytes` the socket emits no `data`: it hands over what it read in memory that is overwritten afterwards. Without it
 * the socket reads as usual.
 */
export function openSocket(config: ClusterConfig, host: Host, onBytes?: (chunk: Buffer) => void): Socket {
  const { address } = host;
  const onread = onBytes === undefined ? {} : { onread: readInto(onBytes) };
  if (address.kind === 'pipe') return connect({ path: address.path, allowHalfOpen: true, ...onread });
  const { bindAddress, tcpKeepalive } = config;
  return connect({
    host: address.host,
    port: address.port,
    allowHalfOpen: true,
    ...onread,
    noDelay: true,
    keepAlive: tcpKeepalive.enabled,
    keepAliveInitialDelay: tcpKeepalive.idleMs,
    ...(bindAddress?.kind === 'socket'
      ? { localAddress: bindAddress.host, localPort: bindAddress.port }
      : {}),
  });
}
