import { isIP } from 'node:net';
import type { envoy } from '@heddle/xds-protos';
import type { AddressConfig } from '../config/address.js';
import type { CidrConfig } from '../config/listener-config.js';
import type { Findings } from './findings.js';
import { requiredText } from './proto-values.js';

const NOWHERE: AddressConfig = { kind: 'socket', host: '0.0.0.0', port: 0, protocol: 'tcp' };

/**
 * Source: envoy.config.core.v3.Address. `names` says whether a host name may stand where an IP address is usual (DNS clusters).
 */
export function translateAddress(
  address: envoy.config.core.v3.Address | null,
  names: 'ip-only' | 'names-allowed',
  path: string,
  findings: Findings,
): AddressConfig {
  if (address === null) {
    findings.problem(path, 'must be set');
    return NOWHERE;
  }
  switch (address.address) {
    case 'socketAddress':
      return address.socketAddress === null
        ? NOWHERE
        : translateSocketAddress(address.socketAddress, names, `${path}.socket_address`, findings);
    case 'pipe': {
      const pipe = { path: address.pipe?.path ?? '', mode: address.pipe?.mode ?? 0 };
      if (pipe.path === '') findings.problem(`${path}.pipe.path`, 'must not be empty');
      if (pipe.path.includes('\0')) findings.problem(`${path}.pipe.path`, 'must not hold NUL');
      if (pipe.mode > 0o777) findings.problem(`${path}.pipe.mode`, 'must be at most 0777');
      return { kind: 'pipe', ...pipe };
    }
    case 'envoyInternalAddress':
      return {
        kind: 'internal',
        listener: requiredText(
          address.envoyInternalAddress?.serverListenerName ?? '',
          `${path}.envoy_internal_address.server_listener_name`,
          findings,
        ),
        endpointId: address.envoyInternalAddress?.endpointId ?? '',
      };
    case undefined:
      findings.problem(path, 'one of socket_address, pipe or envoy_internal_address must be set');
      return NOWHERE;
  }
}

/** Source: envoy.config.core.v3.SocketAddress. */
export function translateSocketAddress(
  socket: envoy.config.core.v3.SocketAddress,
  names: 'ip-only' | 'names-allowed',
  path: string,
  findings: Findings,
): AddressConfig {
  const host = socket.address;
  if (host === '') findings.problem(`${path}.address`, 'must not be empty');
  else if (names === 'ip-only' && isIP(host) === 0) {
    findings.problem(
      `${path}.address`,
      `${JSON.stringify(host)} is not an IP address (names are resolved in STRICT_DNS and LOGICAL_DNS clusters only)`,
    );
  }
  if (socket.portSpecifier === 'namedPort') findings.problem(`${path}.named_port`, 'is not supported');
  else if (socket.portSpecifier === undefined) findings.problem(`${path}.port_value`, 'must be set');
  const port = socket.portValue ?? 0;
  if (port > 65_535) findings.problem(`${path}.port_value`, `must be at most 65535 (is ${port})`);
  if (socket.protocol !== 0 && socket.protocol !== 1) {
    findings.problem(`${path}.protocol`, `unknown value ${socket.protocol}`);
  }
  findings.unsupported(`${path}.resolver_name`, socket.resolverName !== '', 'problem');
  return { kind: 'socket', host, port, protocol: socket.protocol === 1 ? 'udp' : 'tcp' };
}

/** Source: envoy.config.core.v3.CidrRange. */
export function translateCidr(
  range: envoy.config.core.v3.CidrRange,
  path: string,
  findings: Findings,
): CidrConfig {
  const family = isIP(range.addressPrefix);
  if (family === 0) {
    findings.problem(`${path}.address_prefix`, `${JSON.stringify(range.addressPrefix)} is not an IP address`);
  }
  const prefixLength = range.prefixLen?.value ?? 0;
  const most = family === 4 ? 32 : 128;
  if (prefixLength > most)
    findings.problem(`${path}.prefix_len`, `must be at most ${most} (is ${prefixLength})`);
  return { address: range.addressPrefix, prefixLength };
}

/** Whether a text is an IP address, of either family. */
export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0;
}
