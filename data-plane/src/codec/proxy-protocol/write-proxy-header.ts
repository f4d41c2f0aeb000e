import { parseIp } from '@heddle/engine';
import { ipText, V2_SIGNATURE, type ProxiedAddresses } from './proxy-header.js';

const V1_UNKNOWN = Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
/** Version 2, command LOCAL, no family. */
const V2_LOCAL = Buffer.concat([V2_SIGNATURE, Buffer.of(0x20, 0, 0, 0)]);
const V2_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
const MAPPED_IPV4 = Buffer.from('00000000000000000000ffff', 'hex');

/**
 * The header that is put before a connection: whose it is, text (1) or binary (2). Without addresses, or where they are none of IP:
 * that the proxy speaks for itself. Of two families both are told as IPv6.
 *
 * Source: HAProxy's proxy-protocol.txt, sections 2.1 and 2.2.
 */
export function writeProxyHeader(version: 1 | 2, addresses: ProxiedAddresses | undefined): Buffer {
  const source = addresses === undefined ? undefined : parseIp(addresses.source.host);
  const destination = addresses === undefined ? undefined : parseIp(addresses.destination.host);
  if (addresses === undefined || source === undefined || destination === undefined)
    return version === 1 ? V1_UNKNOWN : V2_LOCAL;
  const isIpv4 = source.length === 4 && destination.length === 4;
  const hosts = isIpv4 ? [source, destination] : [ipv6Bytes(source), ipv6Bytes(destination)];
  const ports = [addresses.source.port, addresses.destination.port];
  if (version === 1) {
    const words = ['PROXY', isIpv4 ? 'TCP4' : 'TCP6', ...hosts.map(ipText), ...ports];
    return Buffer.from(`${words.join(' ')}\r\n`, 'latin1');
  }
  const fixed = Buffer.of(V2_PROXY, isIpv4 ? TCP4 : TCP6, 0, isIpv4 ? 12 : 36);
  return Buffer.concat([V2_SIGNATURE, fixed, ...hosts, ...ports.map(portBytes)]);
}

function portBytes(port: number): Buffer {
  return Buffer.of(port >> 8, port & 0xff);
}

function ipv6Bytes(ip: Uint8Array): Uint8Array {
  return ip.length === 16 ? ip : Buffer.concat([MAPPED_IPV4, ip]);
}
