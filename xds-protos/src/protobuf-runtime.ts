import protobuf from 'protobufjs/minimal.js';

type WideInteger = number | { toNumber(): number };

/** 64-bit integers are numbers in all our messages: what a number cannot hold exactly is refused, never rounded. */
function exactNumber(value: WideInteger): number {
  const number = typeof value === 'number' ? value : value.toNumber();
  if (!Number.isSafeInteger(number)) throw new RangeError('64-bit integer beyond 2^53');
  return number;
}

/**
 * protobufjs's reader, but unknown fields are kept in `$unknowns` and 64-bit integers are numbers.
 *
 * A class of our own, so that other users of protobufjs in the process see no changed defaults.
 * Errors: RangeError for an integer outside ±2^53, and protobufjs's own errors for malformed input.
 */
class XdsReader extends protobuf.BufferReader {
  /** Generated code asks the class for it, and protobufjs's BufferReader does not have it. */
  static override readonly recursionLimit: number = protobuf.Reader.recursionLimit;

  constructor(buffer: Buffer) {
    super(buffer);
    this.discardUnknown = false;
  }

  static override create(bytes: Uint8Array): XdsReader {
    if (!(bytes instanceof Uint8Array)) throw new TypeError('expected bytes to decode');
    return new XdsReader(
      Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    );
  }
}

/** The readers of 64-bit integers, whose declared type (Long) an override could not change. */
for (const method of ['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'] as const) {
  const read = protobuf.BufferReader.prototype[method] as unknown as () => WideInteger;
  Object.defineProperty(XdsReader.prototype, method, {
    value(this: XdsReader): number {
      return exactNumber(read.call(this));
    },
  });
}

/** What the generated code needs of protobufjs; without `Long`, so that its 64-bit defaults are numbers. */
export default {
  Reader: XdsReader,
  Writer: protobuf.Writer,
  util: Object.create(protobuf.util, { Long: { value: null } }) as typeof protobuf.util,
  roots: {} as Record<string, object>,
};
