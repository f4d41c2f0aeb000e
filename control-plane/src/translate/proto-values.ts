import { envoy, packAny, type google } from '@heddle/xds-protos';

/** Units: ms, fractions allowed. */
export function duration(ms: number): google.protobuf.IDuration {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** Configuration that comes over the stream on which this resource came. */
export const adsSource: envoy.config.core.v3.IConfigSource = { ads: {}, resourceApiVersion: 2 };

export function socketAddress(address: string, port: number): envoy.config.core.v3.IAddress {
  return { socketAddress: { address, portValue: port } };
}

/** Bytes as they are, said explicitly. */
export const rawBufferSocket: envoy.config.core.v3.ITransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  typedConfig: packAny(envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer, {}),
};

/** A plain value as `google.protobuf.Value`. */
export function structOf(fields: Readonly<Record<string, string>>): google.protobuf.IStruct {
  return {
    fields: Object.fromEntries(Object.entries(fields).map(([name, stringValue]) => [name, { stringValue }])),
  };
}

/** Units: 0..100, to the ten-thousandth. */
export function fractionalPercent(percent: number): envoy.type.v3.IFractionalPercent {
  return { numerator: Math.round(percent * 10_000), denominator: 2 };
}
