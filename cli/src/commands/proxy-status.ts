import { describeError } from '@heddle/common';
import { stringify } from 'yaml';
import type { ReportedProxy } from '../launcher/heddled-client.js';
import { table, type Terminal } from '../terminal.js';
import { heddledClient, type HeddledAccessOptions } from './heddled-access.js';

export interface ProxyStatusOptions extends HeddledAccessOptions {
  readonly output: 'text' | 'json' | 'yaml';
  readonly terminal: Terminal;
}

/** By the last part of the type's URL, in the order in which they are sent. */
const COLUMNS = [
  ['CDS', 'Cluster'],
  ['EDS', 'ClusterLoadAssignment'],
  ['LDS', 'Listener'],
  ['RDS', 'RouteConfiguration'],
] as const;

/** Shows which proxies are connected to heddled, and how far each is. Resolves with 1 when heddled does not answer. */
export async function runProxyStatus(options: ProxyStatusOptions): Promise<number> {
  const { terminal } = options;
  let proxies: readonly ReportedProxy[];
  try {
    proxies = await heddledClient(options).client.proxies();
  } catch (cause) {
    terminal.error(`${describeError(cause)}; is a mesh running? --state-dir or --api-port names another`);
    return 1;
  }
  if (options.output === 'json') terminal.say(JSON.stringify(proxies, null, 2));
  else if (options.output === 'yaml') terminal.say(stringify(proxies).trimEnd());
  else if (proxies.length === 0) terminal.say('no proxy is connected');
  else for (const line of proxyTable(proxies)) terminal.say(line);
  return 0;
}

/** A row a proxy, then what was refused. */
export function proxyTable(proxies: readonly ReportedProxy[]): readonly string[] {
  const sorted = [...proxies].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const rows = sorted.map((proxy) => [
    nameOf(proxy),
    proxy.role,
    ...COLUMNS.map(([, type]) => stateOf(proxy, type)),
    proxy.protocol,
    proxy.version,
  ]);
  const refused = sorted.flatMap((proxy) =>
    proxy.types.flatMap(({ nack }) => (nack === undefined ? [] : [`${nameOf(proxy)} refused: ${nack}`])),
  );
  return [
    ...table([['NAME', 'ROLE', ...COLUMNS.map(([title]) => title), 'XDS', 'VERSION'], ...rows]),
    ...refused,
  ];
}

/** `sidecar~IP~NAME.NAMESPACE~DOMAIN` */
function nameOf({ id }: ReportedProxy): string {
  return id.split('~')[2] ?? id;
}

function stateOf(proxy: ReportedProxy, type: string): string {
  return proxy.types.find(({ typeUrl }) => typeUrl.endsWith(`.${type}`))?.state ?? '-';
}
