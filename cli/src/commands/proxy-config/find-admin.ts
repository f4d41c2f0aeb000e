import type { ReportedProxy } from '../../launcher/heddled-client.js';
import { heddledClient, type HeddledAccessOptions } from '../heddled-access.js';

/** Where a proxy's admin pages are. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

export interface FindAdminOptions extends HeddledAccessOptions {
  /** `NAME`, `NAME.NAMESPACE` or a node id; not needed with `admin`. */
  readonly proxy: string | undefined;
  /** `HOST:PORT`, or a port of this machine. */
  readonly admin: string | undefined;
}

/** Finds the admin pages that are meant. Errors: throws where there are none, with what to do. */
export async function findAdmin(options: FindAdminOptions): Promise<AdminAddress> {
  if (options.admin !== undefined) return addressOf(options.admin);
  if (options.proxy === undefined)
    throw new Error(
      'which proxy? "heddle proxy-status" lists them; --admin names the admin address of another',
    );
  const proxies = await heddledClient(options).client.proxies();
  const { admin, id } = proxyNamed(options.proxy, proxies);
  if (admin === undefined)
    throw new Error(`heddled does not know where the admin pages of ${id} are; --admin names their address`);
  return addressOf(admin);
}

/** The connected proxy of a name. Errors: throws where there is none, or more than one. */
export function proxyNamed(name: string, proxies: readonly ReportedProxy[]): ReportedProxy {
  const byName = (full: string): boolean => full === name || full.split('.')[0] === name;
  // The last to connect of one id is the one that lives.
  const unique = new Map(proxies.map((proxy) => [proxy.id, proxy]));
  const all = [...unique.values()];
  const exact = all.filter((proxy) => proxy.id === name || nameOf(proxy) === name);
  const found =
    exact.length > 0 ? exact : all.filter((proxy) => byName(nameOf(proxy)) || proxy.workload === name);
  const [first, ...others] = found;
  const known = (some: readonly ReportedProxy[]): string => some.map(nameOf).sort().join(', ');
  if (first === undefined)
    throw new Error(
      all.length === 0
        ? 'no proxy is connected to heddled'
        : `no proxy ${name} is connected to heddled; there are ${known(all)}`,
    );
  if (others.length > 0) throw new Error(`${name} may be each of ${known(found)}; name one of them`);
  return first;
}

/** `NAME.NAMESPACE` of a node id. */
export function nameOf({ id }: Pick<ReportedProxy, 'id'>): string {
  return id.split('~')[2] ?? id;
}

function addressOf(text: string): AdminAddress {
  const [, ipv6, name = '127.0.0.1', port] =
    /^(?:(?:\[([0-9a-f:.]+)\]|([^:]+)):)?(\d{1,5})$/i.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new Error(`--admin ${text}: expected HOST:PORT, as 127.0.0.1:15000`);
  return { host: ipv6 ?? name, port: Number(port) };
}
