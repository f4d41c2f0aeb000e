import type { NamedPort, NamedService, NameTableConfig } from '@heddle/engine';

const ZONE = 'cluster.local';
const MESH_SUFFIX = `.svc.${ZONE}`;

/** A service as it was asked for. */
export interface FoundService {
  readonly service: NamedService;
  /** Its own name, where another was asked for that a search list made: both are the same service. */
  readonly canonicalName: string | undefined;
}

/**
 * The names of the mesh as one application calls them: services of its own namespace by their short name, those of others with
 * their namespace, and all of them with what a resolver's search list adds.
 */
export class NameTable {
  readonly #names = new Map<string, NamedService>();
  readonly #hosts = new Map<NamedService, string>();
  readonly #wildcards = new Map<string, NamedService>();
  /** Names of which only longer ones mean something. */
  readonly #parents = new Set<string>([ZONE]);
  /** What search lists add to names, the longest first. */
  readonly #suffixes: readonly string[];

  /** `searchDomains`: those of the machine. */
  constructor(config: NameTableConfig, namespace: string, searchDomains: readonly string[] = []) {
    const suffixes = [`.${namespace}${MESH_SUFFIX}`, MESH_SUFFIX, `.${ZONE}`];
    const others = searchDomains.map((domain) => `.${domain.toLowerCase()}`);
    this.#suffixes = [...new Set([...suffixes, ...others])].sort((a, b) => b.length - a.length);
    for (const [host, service] of config.services) {
      if (host.startsWith('*.')) this.#wildcards.set(host.slice(1), service);
      else {
        this.#names.set(host, service);
        this.#hosts.set(service, host);
        this.#addParents(host);
      }
    }
    for (const service of config.services.values()) {
      const { short } = service;
      if (short === undefined) continue;
      const aliases = [`${short.name}.${short.namespace}.svc`, `${short.name}.${short.namespace}`];
      if (short.namespace === namespace) aliases.push(short.name);
      // A host that is called just so is meant before a shorter form of another.
      for (const alias of aliases) if (!this.#names.has(alias)) this.#names.set(alias, service);
    }
  }

  get size(): number {
    return this.#names.size + this.#wildcards.size;
  }

  /** The service that a name (in lower case) means; undefined: none. */
  find(name: string): FoundService | undefined {
    const found = this.#names.get(name);
    if (found !== undefined) return { service: found, canonicalName: undefined };
    for (const suffix of this.#suffixes) {
      if (!name.endsWith(suffix)) continue;
      const service = this.#names.get(name.slice(0, -suffix.length));
      if (service !== undefined) return { service, canonicalName: this.#hosts.get(service) };
    }
    if (this.#wildcards.size === 0) return undefined;
    for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const service = this.#wildcards.get(name.slice(dot));
      if (service !== undefined) return { service, canonicalName: undefined };
    }
    return undefined;
  }

  /**
   * The ports that a name such as `_http._tcp.reviews.shop.svc.cluster.local` asks for, or a service's own name for all, with the
   * name of their service; undefined: it means no service. Source: Kubernetes, DNS specification, section 2.3.
   */
  findPorts(name: string): { readonly ports: readonly NamedPort[]; readonly target: string } | undefined {
    const [, portName, protocol, host] = /^_([^.]+)\._(tcp|udp)\.(.+)$/.exec(name) ?? [];
    const found = this.find(host ?? name);
    if (found === undefined) return undefined;
    const target = this.#hosts.get(found.service) ?? host ?? name;
    const ports = found.service.ports.filter(
      (port) => host === undefined || (port.name === portName && port.protocol === protocol),
    );
    return { ports, target };
  }

  /** Whether longer names than this one mean something: it is there, with nothing of its own. */
  isParent(name: string): boolean {
    return this.#parents.has(name);
  }

  #addParents(host: string): void {
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      this.#parents.add(host.slice(dot + 1));
    }
  }
}

/** Whether a name is of the zone whose names are those of the mesh. */
export function isOfMeshZone(name: string): boolean {
  return name === ZONE || name.endsWith(`.${ZONE}`);
}

/** The zone that a name of the mesh belongs to. */
export function zoneOf(name: string): string {
  return isOfMeshZone(name) ? ZONE : name;
}
