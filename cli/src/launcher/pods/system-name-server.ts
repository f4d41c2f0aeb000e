import { getServers } from 'node:dns';
import { isIP } from 'node:net';

/** The first name server of this machine; undefined: none is configured. */
export function systemNameServer(): { readonly host: string; readonly port: number } | undefined {
  for (const server of getServers()) {
    const [, bracketed, port] = /^\[(.+)\]:(\d+)$/.exec(server) ?? [];
    if (bracketed !== undefined) return { host: bracketed, port: Number(port) };
    if (isIP(server) !== 0) return { host: server, port: 53 };
    const [host = '', plainPort] = server.split(':');
    if (isIP(host) === 4) return { host, port: Number(plainPort) };
  }
  return undefined;
}
