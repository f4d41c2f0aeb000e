import type { AddressConfig } from '@heddle/engine';
import type { envoy } from '@heddle/xds-protos';

/** An address as the admin messages carry it. */
export function protoAddress(address: AddressConfig): envoy.config.core.v3.IAddress {
  if (address.kind === 'pipe') return { pipe: { path: address.path, mode: address.mode } };
  if (address.kind === 'internal') {
    return { envoyInternalAddress: { serverListenerName: address.listener, endpointId: address.endpointId } };
  }
  return {
    socketAddress: {
      address: address.host,
      portValue: address.port,
      ...(address.protocol === 'udp' ? { protocol: 1 } : {}),
    },
  };
}
