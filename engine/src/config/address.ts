/** Where something listens or connects. A pipe is a Unix socket's path. */
export type AddressConfig =
  | {
      readonly kind: 'socket';
      readonly host: string;
      readonly port: number;
      readonly protocol: 'tcp' | 'udp';
    }
  | { readonly kind: 'pipe'; readonly path: string; readonly mode: number };

/** `host:port`, `[v6]:port` or `unix:path`: the form used in logs, statistics and admin pages. */
export function formatAddress(address: AddressConfig): string {
  if (address.kind === 'pipe') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
