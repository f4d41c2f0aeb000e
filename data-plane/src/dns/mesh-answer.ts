import {
  addressRecords,
  cnameRecord,
  soaRecord,
  srvRecord,
  txtRecord,
  type DnsAnswer,
  type DnsRecord,
} from './answer.js';
import { DNS_RCODE, DNS_TYPE, type DnsQuery } from './message.js';
import { isOfMeshZone, zoneOf, type FoundService, type NameTable } from './name-table.js';

/** How long a name of the mesh holds. Source: Istio. */
const MESH_TTL_S = 30;
/** Where clients look for which names there are. Source: Kubernetes, DNS specification, section 2.1. */
const VERSION_NAME = 'dns-version.cluster.local';
const VERSION = '1.1.0';

/**
 * What the names of the mesh say to a question; undefined where it is for others.
 *
 * With `isAuthority`, nobody else knows of names in the mesh's zone: what is not there is said to be not there.
 */
export function answerOfMesh(names: NameTable, query: DnsQuery, isAuthority: boolean): DnsAnswer | undefined {
  const { name, type } = query;
  if (type === DNS_TYPE.srv) {
    const found = names.findPorts(name);
    if (found !== undefined) {
      const { ports, target } = found;
      if (ports.length === 0)
        return nothing(name, name.startsWith('_') ? DNS_RCODE.noSuchName : DNS_RCODE.ok);
      return {
        isAuthoritative: true,
        answers: ports.map(({ number }) => srvRecord(target, number, MESH_TTL_S)),
        additional: addressesOf(names.find(target), undefined, target),
      };
    }
  }
  const found = names.find(name);
  if (found !== undefined) return answerOfService(found, query);
  if (name === VERSION_NAME && type === DNS_TYPE.txt)
    return { isAuthoritative: true, answers: [txtRecord(VERSION, MESH_TTL_S)] };
  if (!isAuthority || !isOfMeshZone(name)) return undefined;
  // Of a port that a service has, or of names below it, there is nothing but SRV.
  const isThere =
    names.isParent(name) || name === VERSION_NAME || (names.findPorts(name)?.ports.length ?? 0) > 0;
  return nothing(name, isThere ? DNS_RCODE.ok : DNS_RCODE.noSuchName);
}

function answerOfService(found: FoundService, { name, type }: DnsQuery): DnsAnswer {
  const { canonicalName } = found;
  const aliases = canonicalName === undefined ? [] : [cnameRecord(canonicalName, MESH_TTL_S)];
  const addresses = addressesOf(found, type, canonicalName);
  if (type === DNS_TYPE.cname && aliases.length > 0) return { isAuthoritative: true, answers: aliases };
  if (addresses.length === 0) return { ...nothing(name, DNS_RCODE.ok), answers: aliases };
  return { isAuthoritative: true, answers: [...aliases, ...addresses] };
}

/** `type` undefined: of both families. */
function addressesOf(
  found: FoundService | undefined,
  type: number | undefined,
  name: string | undefined,
): readonly DnsRecord[] {
  const { ipv4 = [], ipv6 = [] } = found?.service ?? {};
  const wants = (family: number): boolean => type === undefined || type === family || type === DNS_TYPE.any;
  const addresses = [...(wants(DNS_TYPE.a) ? ipv4 : []), ...(wants(DNS_TYPE.aaaa) ? ipv6 : [])];
  return addressRecords(addresses, MESH_TTL_S, name);
}

/** Source: RFC 2308, section 2: with the record that says for how long. */
function nothing(name: string, rcode: number): DnsAnswer {
  return { rcode, isAuthoritative: true, authorities: [soaRecord(zoneOf(name), MESH_TTL_S)] };
}
