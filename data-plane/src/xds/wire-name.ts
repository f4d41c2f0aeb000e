/**
 * Reads the text of field 1 of an encoded message without decoding the rest: the name of every resource that xDS serves.
 *
 * Shape: the last one wins, as in protobuf; empty when there is none. undefined where the bytes are no message: decoding
 * them says more.
 * Cost: one step for each top-level field.
 */
export function wireName(bytes: Uint8Array): string | undefined {
  let at = 0;
  let name: Uint8Array | undefined;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag < 8) return undefined;
    switch (tag % 8) {
      case 0:
        if (varint() < 0) return undefined;
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (length < 0 || at + length > bytes.length) return undefined;
        if (tag === 10) name = bytes.subarray(at, at + length);
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return undefined; // groups and unknown wire types: left to the decoder
    }
    if (at > bytes.length) return undefined;
  }
  return name === undefined
    ? ''
    : Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('utf8');
}
