import type { envoy } from '@heddle/xds-protos';
import type { TransportSocketConfig } from '../config/listener-config.js';
import { typeNameOfUrl } from './any-config.js';
import type { Findings } from './findings.js';

const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
const RAW: TransportSocketConfig = { kind: 'raw' };

/** Source: envoy.config.core.v3.TransportSocket. Anything but plain text is a problem: it must not become plain text. */
export function translateTransportSocket(
  socket: envoy.config.core.v3.TransportSocket | null,
  path: string,
  findings: Findings,
): TransportSocketConfig {
  if (socket === null) return RAW;
  const { typedConfig } = socket;
  if (typedConfig === null) {
    if (socket.name !== 'envoy.transport_sockets.raw_buffer') {
      findings.problem(`${path}.typed_config`, 'must be set');
    }
    return RAW;
  }
  if (typeNameOfUrl(typedConfig.typeUrl) !== RAW_BUFFER) {
    findings.problem(
      `${path}.typed_config`,
      `transport socket ${JSON.stringify(typedConfig.typeUrl)} is not supported`,
    );
  }
  return RAW;
}
