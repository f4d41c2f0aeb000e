import type { istio } from '@heddle/xds-protos';
import { parseIp } from '../address/ip-address.js';
import type { NamedPort, NamedService, NameTableConfig } from '../config/name-table-config.js';
import type { Translated } from '../config/problem.js';
import { Findings } from './findings.js';

/** More names than any mesh has; a table that names more is refused as a whole. */
const MOST_NAMES = 100_000;

/** Translates the names of a mesh. Source: istio.networking.nds.v1.NameTable. */
export function translateNameTable(table: istio.networking.nds.v1.NameTable): Translated<NameTableConfig> {
  const findings = new Findings();
  const services = new Map<string, NamedService>();
  const entries = Object.entries(table.table);
  if (entries.length > MOST_NAMES) findings.problem('table', `has more than ${MOST_NAMES} names`);
  else {
    for (const [host, info] of entries) {
      const { ips = [], registry = '', shortname = '', namespace = '', heddlePorts } = info;
      ips?.forEach((ip, i) => {
        if (parseIp(ip) === undefined)
          findings.problem(`table[${host}].ips[${i}]`, `${JSON.stringify(ip)} is no IP address`);
      });
      const isOfMesh = registry === 'Kubernetes' && shortname !== '' && namespace !== '';
      services.set(host.toLowerCase(), {
        ipv4: (ips ?? []).filter((ip) => parseIp(ip)?.length === 4),
        ipv6: (ips ?? []).filter((ip) => parseIp(ip)?.length === 16),
        ports: (heddlePorts ?? []).flatMap(({ name, protocol, number }): NamedPort[] =>
          !name || !number ? [] : [{ name, protocol: protocol === 'udp' ? 'udp' : 'tcp', number }],
        ),
        short: isOfMesh ? { name: shortname ?? '', namespace: namespace ?? '' } : undefined,
      });
    }
  }
  return findings.finish({ services });
}
