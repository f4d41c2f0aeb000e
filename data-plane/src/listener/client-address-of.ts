import { parseIp } from '@heddle/engine';
import { ClientAddress, type OnNoClientAddress } from '../cluster/client-address.js';
import type { ConnectionInfo } from '../http/stream-state.js';

/**
 * What a connection has where others are made upstream in its client's name. Nothing for a client in the same place: whoever is
 * connected to would take it for itself.
 */
export function clientAddressOf(
  mark: number,
  remoteIp: string,
  localIp: string,
  onFailure: OnNoClientAddress,
): Pick<ConnectionInfo, 'clientAddress'> {
  const bytes = parseIp(remoteIp);
  if (bytes === undefined || remoteIp === localIp || isLoopback(bytes)) return {};
  return { clientAddress: new ClientAddress(remoteIp, bytes, mark, onFailure) };
}

function isLoopback(ip: Uint8Array): boolean {
  return ip.length === 4 ? ip[0] === 127 : ip.every((byte, index) => byte === (index === 15 ? 1 : 0));
}
