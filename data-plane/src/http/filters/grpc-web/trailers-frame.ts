import type { HeaderMap } from '@heddle/engine';

/** The flag that tells trailers from a message. */
const TRAILERS = 0x80;
const PREFIX_BYTES = 5;

/** Trailers as the last part of a body. Source: gRPC-Web, "Trailers"; written as Envoy does. */
export function trailersFrame({ names, values }: HeaderMap): Buffer {
  const lines = names.map((name, i) => `${name}:${values[i] ?? ''}\r\n`).join('');
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + lines.length);
  frame[0] = TRAILERS;
  frame.writeUInt32BE(lines.length, 1);
  frame.write(lines, PREFIX_BYTES, 'latin1');
  return frame;
}
