import { isIPv4, isIPv6 } from 'node:net';

/** An end of the connection that a header speaks of. */
export interface ProxiedAddress {
  readonly host: string;
  readonly port: number;
}

/** Both ends of it. */
export interface ProxiedAddresses {
  readonly source: ProxiedAddress;
  readonly destination: ProxiedAddress;
}

/** The PROXY protocol's header, as it stood before everything else. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** In bytes: what follows is the client's. */
  readonly length: number;
  /** undefined: the proxy speaks for itself, or does not know for whom. */
  readonly addresses: ProxiedAddresses | undefined;
}

export type ProxyHeaderVerdict =
  | { readonly kind: 'header'; readonly header: ProxyHeader }
  /** It may become a header, but these bytes do not say yet. */
  | { readonly kind: 'more' }
  | { readonly kind: 'none' }
  | { readonly kind: 'broken'; readonly version: 1 | 2; readonly problem: string };

const V1_START = Buffer.from('PROXY ', 'latin1');
/** Of a whole line, with its end. */
const V1_MOST_BYTES = 107;
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
const DECIMAL_PORT = /^(0|[1-9][0-9]{0,4})$/;

const MORE: ProxyHeaderVerdict = Object.freeze({ kind: 'more' });
const NONE: ProxyHeaderVerdict = Object.freeze({ kind: 'none' });

/**
 * Reads the header that a load balancer puts before a connection, text (1) or binary (2), from the first bytes of it.
 *
 * Source: HAProxy's proxy-protocol.txt, sections 2.1 and 2.2. The longest header has 65,551 bytes. Additional values (TLVs) are
 * passed over.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeaderVerdict {
  if (startsLike(bytes, V2_SIGNATURE)) return bytes.length < V2_FIXED_BYTES ? MORE : readBinary(bytes);
  if (startsLike(bytes, V1_START)) return bytes.length < V1_START.length ? MORE : readText(bytes);
  return NONE;
}

/** Whether one is the beginning of the other. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const common = Math.min(bytes.length, start.length);
  return bytes.subarray(0, common).equals(start.subarray(0, common));
}

function readText(bytes: Buffer): ProxyHeaderVerdict {
  const end = bytes.subarray(0, V1_MOST_BYTES).indexOf('\r\n', 0, 'latin1');
  if (end < 0) {
    // As in Envoy: a line without an end is no header.
    return bytes.length < V1_MOST_BYTES ? MORE : NONE;
  }
  const length = end + 2;
  const [, family = '', ...parts] = bytes.toString('latin1', 0, end).split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', header: { version: 1, length, addresses: undefined } };
  if (family !== 'TCP4' && family !== 'TCP6')
    return broken(1, `the family ${JSON.stringify(family)} is not one of TCP4, TCP6, UNKNOWN`);
  const [source = '', destination = '', sourcePort = '', destinationPort = ''] = parts;
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
  if (parts.length !== 4 || !isAddress(source) || !isAddress(destination))
    return broken(1, `no two ${family} addresses and ports`);
  const ports = [sourcePort, destinationPort].map(portOf);
  const [from, to] = ports;
  if (from === undefined || to === undefined) return broken(1, 'a port is not a number from 0 to 65535');
  return {
    kind: 'header',
    header: {
      version: 1,
      length,
      addresses: { source: { host: source, port: from }, destination: { host: destination, port: to } },
    },
  };
}

function readBinary(bytes: Buffer): ProxyHeaderVerdict {
  const versionAndCommand = bytes.readUInt8(12);
  if (versionAndCommand >> 4 !== 2) return broken(2, `version ${versionAndCommand >> 4} is not known`);
  const command = versionAndCommand & 0xf;
  if (command > 1) return broken(2, `command ${command} is not known`);
  const familyAndProtocol = bytes.readUInt8(13);
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  const isForItself = command === 0;
  const addressBytes = isForItself ? 0 : ADDRESS_BYTES.get(familyAndProtocol);
  if (addressBytes === undefined) {
    return broken(
      2,
      `family and protocol 0x${familyAndProtocol.toString(16).padStart(2, '0')} are not IPv4 or IPv6`,
    );
  }
  if (length < V2_FIXED_BYTES + 2 * addressBytes + (addressBytes === 0 ? 0 : 4))
    return broken(2, 'it is too short for its addresses');
  if (bytes.length < length) return MORE;
  if (isForItself) return { kind: 'header', header: { version: 2, length, addresses: undefined } };
  const ports = V2_FIXED_BYTES + 2 * addressBytes;
  const host = (at: number): string => ipText(bytes.subarray(at, at + addressBytes));
  return {
    kind: 'header',
    header: {
      version: 2,
      length,
      addresses: {
        source: { host: host(V2_FIXED_BYTES), port: bytes.readUInt16BE(ports) },
        destination: { host: host(V2_FIXED_BYTES + addressBytes), port: bytes.readUInt16BE(ports + 2) },
      },
    },
  };
}

/** Of TCP and UDP: as in Envoy, what the proxy itself speaks does not count. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x11, 4],
  [0x21, 16],
  [0x12, 4],
  [0x22, 16],
]);

/** An address as text. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number)).toString(16),
  );
  // The form in which addresses are written everywhere else.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function portOf(text: string): number | undefined {
  const port = DECIMAL_PORT.test(text) ? Number(text) : NaN;
  return port <= 65_535 ? port : undefined;
}

function broken(version: 1 | 2, problem: string): ProxyHeaderVerdict {
  return { kind: 'broken', version, problem };
}
