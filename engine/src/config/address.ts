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

/** `host:port`, `[v6]:port`, `unix:path` or `envoy://listener/endpoint`: the form used in logs, statistics and admin pages. */
export function formatAddress(address: AddressConfig): string {
  if (address.kind === 'pipe') return `unix:${address.path}`;
  if (address.kind === 'internal') return `envoy://${address.listener}/${address.endpointId}`;
  return hostAndPort(address.host, address.port);
}

/** `host:port`, or `[v6]:port`. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
