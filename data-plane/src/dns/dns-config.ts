import type { envoy } from '@heddle/xds-protos';
import { parseUpstreamServer, type UpstreamServer } from './upstream-servers.js';

/** The DNS server of a sidecar to which rules of interception lead its application's questions. */
export interface DnsConfig {
  readonly port: number;
  /** Who is asked for what is not of the mesh; undefined: the name servers of this machine. */
  readonly servers: readonly UpstreamServer[] | undefined;
  /** Whether nobody else knows names of the mesh's zone, so that one that we do not know is not there. */
  readonly isAuthority: boolean;
}

const DNS_PORT = 15_053;

/**
 * What node metadata says of DNS: `DNS_CAPTURE` turns it on, as in Istio; `HEDDLE_DNS_PORT`, `HEDDLE_DNS_SERVERS`
 * (`10.0.0.2,tcp://10.0.0.3:53`) and `HEDDLE_DNS_AUTHORITY` (`true`) are ours.
 *
 * Errors: every problem, by the place where it can be mended.
 */
export function dnsConfigOf(node: envoy.config.core.v3.Node | null): {
  readonly dns: DnsConfig | undefined;
  readonly problems: readonly { readonly path: string; readonly message: string }[];
} {
  const field = (name: string): string => {
    const value = node?.metadata?.fields[name];
    return value?.stringValue ?? (value?.boolValue === true ? 'true' : '');
  };
  if (field('DNS_CAPTURE') !== 'true') return { dns: undefined, problems: [] };
  const problems: { path: string; message: string }[] = [];
  const portText = field('HEDDLE_DNS_PORT') || String(DNS_PORT);
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port > 65_535)
    problems.push({ path: 'node.metadata.HEDDLE_DNS_PORT', message: `${portText} is not a port` });
  const serversText = field('HEDDLE_DNS_SERVERS');
  const servers = serversText === '' ? [] : serversText.split(',').slice(0, 16);
  const parsed = servers.flatMap((text) => {
    const server = parseUpstreamServer(text.trim());
    if (server !== undefined) return [server];
    problems.push({
      path: 'node.metadata.HEDDLE_DNS_SERVERS',
      message: `${JSON.stringify(text)}: expected an address such as 10.0.0.2 or tcp://10.0.0.2:53`,
    });
    return [];
  });
  const isAuthority = field('HEDDLE_DNS_AUTHORITY') === 'true';
  return { dns: { port, servers: serversText === '' ? undefined : parsed, isAuthority }, problems };
}
