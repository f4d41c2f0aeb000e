import { isIP } from 'node:net';

/** Where something listens or connects. A pipe is a Unix socket's path; an internal address is a listener of this very process. */
export type AddressConfig =
  | {
      readonly kind: 'socket';
      readonly host: string;
      readonly port: number;
      readonly protocol: 'tcp' | 'udp';
    }
  | { readonly kind: 'pipe'; readonly path: string; readonly mode: number }
  /** `endpointId` tells endpoints apart that are reached by the same listener; may be empty. */
  | { readonly kind: 'internal'; readonly listener: string; readonly endpointId: string };

/** The address that `host:port` or `[v6]:port` says, with an IP address; undefined: it says none. */
export function parseAddress(text: string): AddressConfig | undefined {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2] ?? '';
  const port = Number(found?.[3]);
  if (isIP(host) === 0 || port < 1 || port > 65_535) return undefined;
  return { kind: 'socket', host, port, protocol: 'tcp' };
}

/** `host:port`, `[v6]:port`, `unix:path` or `envoy://listener/endpoint`: the form used in logs, statistics and admin pages. */
export function formatAddress(address: AddressConfig): string {
  if (address.kind === 'pipe') return `unix:${address.path}`;
  if (address.kind === 'internal') return `envoy://${address.listener}/${address.endpointId}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
