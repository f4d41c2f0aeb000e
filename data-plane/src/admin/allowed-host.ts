import { isIP } from 'node:net';
import type { AddressConfig } from '@heddle/engine';

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * Whether a request's `Host` names this server, and not a name that an attacker had resolve to it (DNS rebinding).
 *
 * Shape: loopback names and the configured address are served; an address bound on purpose to every interface
 * (`0.0.0.0`, `::`) is served under any IP address, never under a name. A Unix socket is beyond a browser's reach.
 */
export function isAllowedHost(
  host: string | undefined,
  bound: AddressConfig,
  configured: AddressConfig,
): boolean {
  if (bound.kind !== 'socket') return true;
  if (host === undefined) return false;
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(host);
  if (match === null) return false;
  const name = (match[1] ?? match[2] ?? '').toLowerCase();
  if (LOOPBACK_NAMES.has(name) || name === bound.host) return true;
  if (configured.kind === 'socket' && name === configured.host.toLowerCase()) return true;
  const everywhere = bound.host === '0.0.0.0' || bound.host === '::';
  return everywhere && isIP(name) !== 0;
}
