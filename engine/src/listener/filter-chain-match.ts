import { parseIp } from '../address/ip-address.js';
import type { CidrConfig, FilterChainMatchConfig } from '../config/listener-config.js';
import { CidrMap } from './cidr-map.js';

/** What is known of a connection when its filter chain is chosen. */
export interface ConnectionFacts {
  /** Where the client wanted to go. */
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** SNI in lower case, or empty. */
  readonly serverName: string;
  /** `tls`, `raw_buffer`, or empty when nothing looked. */
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  /** The peer of the socket. */
  readonly directSourceIp: string;
  readonly sourceIp: string;
  readonly sourcePort: number;
}

type SourcePorts<T> = Map<number, T>;
type SourceTypes<T> = Map<FilterChainMatchConfig['sourceType'], CidrMap<SourcePorts<T>>>;
type ApplicationProtocols<T> = Map<string, CidrMap<SourceTypes<T>>>;
type TransportProtocols<T> = Map<string, ApplicationProtocols<T>>;
type ServerNames<T> = Map<string, TransportProtocols<T>>;
type DestinationPorts<T> = Map<number, CidrMap<ServerNames<T>>>;

/** The key of a criterion that is not set. */
const ANY = '';
const ANY_PORT = 0;
const LOOPBACK_4 = [127, 0, 0, 1];
const LOOPBACK_6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/**
 * Chooses the filter chain of a connection.
 *
 * Source: envoy.config.listener.v3.FilterChainMatch, "order of evaluation": destination port, destination address, server name,
 * transport protocol, application protocols, direct source address, source type, source address, source port. At each step the
 * most specific entry is taken, and there is no way back from it.
 * Cost: a few look-ups in maps; independent of the number of chains.
 */
export class FilterChainMatcher<T> {
  readonly #ports: DestinationPorts<T> = new Map();
  readonly #default: T | undefined;

  constructor(defaultChain: T | undefined) {
    this.#default = defaultChain;
  }

  /** Adds a chain. Returns false when another one has the same criteria in one of its combinations. */
  add(match: FilterChainMatchConfig | undefined, chain: T): boolean {
    let unique = true;
    const addresses = each<CidrConfig | undefined>(match?.prefixRanges, undefined);
    const ports = this.#ports;
    const byAddress = getOrCreate(
      ports,
      match?.destinationPort ?? ANY_PORT,
      () => new CidrMap<ServerNames<T>>(),
    );
    for (const address of addresses) {
      const names = byAddress.getOrCreate(address, () => new Map());
      for (const name of each(match?.serverNames, ANY)) {
        const transports = getOrCreate(names, serverNameKey(name), () => new Map());
        const protocols = getOrCreate(transports, match?.transportProtocol ?? ANY, () => new Map());
        for (const protocol of each(match?.applicationProtocols, ANY)) {
          const direct = getOrCreate(protocols, protocol, () => new CidrMap<SourceTypes<T>>());
          for (const directSource of each<CidrConfig | undefined>(
            match?.directSourcePrefixRanges,
            undefined,
          )) {
            const types = direct.getOrCreate(directSource, () => new Map());
            const sources = getOrCreate(
              types,
              match?.sourceType ?? 'any',
              () => new CidrMap<SourcePorts<T>>(),
            );
            for (const source of each<CidrConfig | undefined>(match?.sourcePrefixRanges, undefined)) {
              const sourcePorts = sources.getOrCreate(source, () => new Map());
              for (const port of each(match?.sourcePorts, ANY_PORT)) {
                if (sourcePorts.has(port)) unique = false;
                else sourcePorts.set(port, chain);
              }
            }
          }
        }
      }
    }
    return unique;
  }

  /** The chain, the default one when none matches, or undefined: the connection is closed. */
  find(facts: ConnectionFacts): T | undefined {
    const byAddress = this.#ports.get(facts.destinationPort) ?? this.#ports.get(ANY_PORT);
    return this.#findByAddress(byAddress, facts) ?? this.#default;
  }

  #findByAddress(byAddress: CidrMap<ServerNames<T>> | undefined, facts: ConnectionFacts): T | undefined {
    const names = byAddress?.find(facts.destinationIp);
    if (names === undefined) return undefined;
    const protocols = findTransport(findServerName(names, facts.serverName), facts.transportProtocol);
    if (protocols === undefined) return undefined;
    const types = findProtocol(protocols, facts.applicationProtocols)?.find(facts.directSourceIp);
    if (types === undefined) return undefined;
    const ports = findSourceType(types, facts)?.find(facts.sourceIp);
    return ports?.get(facts.sourcePort) ?? ports?.get(ANY_PORT);
  }
}

/** `*.example.com` matches what ends in `.example.com`; `*` alone matches everything. */
function serverNameKey(name: string): string {
  return (name.startsWith('*') ? name.slice(1) : name).toLowerCase();
}

function findServerName<T>(names: ServerNames<T>, serverName: string): TransportProtocols<T> | undefined {
  if (serverName !== '') {
    const exact = names.get(serverName);
    if (exact !== undefined) return exact;
    for (let dot = serverName.indexOf('.', 1); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
      if (dot === serverName.length - 1) break;
      const wildcard = names.get(serverName.slice(dot));
      if (wildcard !== undefined) return wildcard;
    }
  }
  return names.get(ANY);
}

function findTransport<T>(
  transports: TransportProtocols<T> | undefined,
  protocol: string,
): ApplicationProtocols<T> | undefined {
  return transports?.get(protocol) ?? transports?.get(ANY);
}

function findProtocol<T>(
  protocols: ApplicationProtocols<T>,
  wanted: readonly string[],
): CidrMap<SourceTypes<T>> | undefined {
  for (const protocol of wanted) {
    const found = protocols.get(protocol);
    if (found !== undefined) return found;
  }
  return protocols.get(ANY);
}

function findSourceType<T>(
  types: SourceTypes<T>,
  facts: ConnectionFacts,
): CidrMap<SourcePorts<T>> | undefined {
  const local = types.get('same-ip-or-loopback');
  const external = types.get('external');
  if (local !== undefined || external !== undefined) {
    const found = isSameIpOrLoopback(facts) ? local : external;
    if (found !== undefined) return found;
  }
  return types.get('any');
}

/** Source: Envoy's ConnectionSourceType: both ends have one address, or the source is 127.0.0.1 or ::1, and no other loopback address. */
export function isSameIpOrLoopback(facts: ConnectionFacts): boolean {
  const source = parseIp(facts.sourceIp);
  // Unix sockets have no address.
  if (source === undefined) return true;
  const loopback = source.length === 4 ? LOOPBACK_4 : LOOPBACK_6;
  if (source.every((byte, i) => byte === loopback[i])) return true;
  const destination = parseIp(facts.destinationIp);
  return (
    destination !== undefined &&
    destination.length === source.length &&
    destination.every((byte, i) => byte === source[i])
  );
}

function each<T>(values: readonly T[] | undefined, unset: T): readonly T[] {
  return values === undefined || values.length === 0 ? [unset] : values;
}

function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
