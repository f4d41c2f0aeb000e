/** What a TLS ClientHello says before anything is encrypted. */
export interface ClientHello {
  /** SNI in lower case; empty when there is none. */
  readonly serverName: string;
  /** ALPN, in the order of the client's preference. */
  readonly applicationProtocols: readonly string[];
}

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const MOST_PROTOCOLS = 32;

/**
 * Reads the ClientHello at the start of a connection, also when it is split over several records.
 *
 * Source: RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301 section 3.1.
 * Errors: `not-tls` for anything else, `more` when it is not complete yet; never throws.
 */
export function parseClientHello(bytes: Buffer): ClientHello | 'more' | 'not-tls' {
  const message = handshakeMessage(bytes);
  if (typeof message === 'string') return message;
  const reader = new Reader(message);
  reader.skip(2 + 32); // version, random
  reader.skip(reader.u8()); // session id
  reader.skip(reader.u16()); // cipher suites
  reader.skip(reader.u8()); // compression methods
  let serverName = '';
  let applicationProtocols: string[] = [];
  if (reader.left > 0) {
    const extensions = reader.part(reader.u16());
    while (extensions.left >= 4) {
      const type = extensions.u16();
      const extension = extensions.part(extensions.u16());
      if (type === EXTENSION_SERVER_NAME) serverName = readServerName(extension);
      else if (type === EXTENSION_ALPN) applicationProtocols = readProtocols(extension);
    }
    if (extensions.failed) return 'not-tls';
  }
  return reader.failed ? 'not-tls' : { serverName, applicationProtocols };
}

/** The body of the first handshake message, put together from its records. */
function handshakeMessage(bytes: Buffer): Buffer | 'more' | 'not-tls' {
  const parts: Buffer[] = [];
  let have = 0;
  let need = 4;
  for (let at = 0; have < need;) {
    if (at + 5 > bytes.length) {
      // Not one byte may contradict TLS already.
      if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return 'not-tls';
      if (bytes.length > at + 1 && bytes[at + 1] !== 3) return 'not-tls';
      return 'more';
    }
    if (bytes[at] !== HANDSHAKE_RECORD || bytes[at + 1] !== 3) return 'not-tls';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > 16_384) return 'not-tls';
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    have += part.length;
    if (have >= 4 && need === 4) {
      const start = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      if (start[0] !== CLIENT_HELLO) return 'not-tls';
      need = 4 + start.readUIntBE(1, 3);
    }
    if (have < need && part.length < length) return 'more';
    at += 5 + length;
  }
  return Buffer.concat(parts).subarray(4, need);
}

function readServerName(extension: Reader): string {
  const list = extension.part(extension.u16());
  while (list.left >= 3) {
    const type = list.u8();
    const name = list.bytes(list.u16());
    if (type === 0) return name.toString('latin1').toLowerCase();
  }
  return '';
}

function readProtocols(extension: Reader): string[] {
  const list = extension.part(extension.u16());
  const protocols: string[] = [];
  while (list.left > 0 && protocols.length < MOST_PROTOCOLS)
    protocols.push(list.bytes(list.u8()).toString('latin1'));
  return protocols;
}

/** Reads numbers in network order; past the end it reads zeros and remembers that it failed. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.bytes(1)[0] ?? 0;
  }

  u16(): number {
    const two = this.bytes(2);
    return two.length === 2 ? two.readUInt16BE(0) : 0;
  }

  skip(length: number): void {
    this.bytes(length);
  }

  bytes(length: number): Buffer {
    if (length > this.left) this.failed = true;
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at = Math.min(this.#bytes.length, this.#at + length);
    return part;
  }

  part(length: number): Reader {
    const part = new Reader(this.bytes(length));
    return part;
  }
}
