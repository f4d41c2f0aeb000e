import type { NamedService, NameTableConfig } from '@heddle/engine';

const MESH_SUFFIX = '.svc.cluster.local';

/**
 * The names of the mesh as one application calls them: services of its own namespace by their short name, those of others with
 * their namespace, and all of them with what a resolver's search list of Kubernetes adds.
 */
export class NameTable {
  readonly #names = new Map<string, NamedService>();
  readonly #wildcards = new Map<string, NamedService>();
  /** What search lists add to names, the longest first. */
  readonly #suffixes: readonly string[];

  constructor(config: NameTableConfig, namespace: string) {
    this.#suffixes = [`.${namespace}${MESH_SUFFIX}`, MESH_SUFFIX, '.cluster.local'];
    for (const [host, service] of config.services) {
      if (host.startsWith('*.')) this.#wildcards.set(host.slice(1), service);
      else this.#names.set(host, service);
    }
    for (const { short, ...addresses } of config.services.values()) {
      if (short === undefined) continue;
      const aliases = [`${short.name}.${short.namespace}.svc`, `${short.name}.${short.namespace}`];
      if (short.namespace === namespace) aliases.push(short.name);
      // A host that is called just so is meant before a shorter form of another.
      for (const alias of aliases)
        if (!this.#names.has(alias)) this.#names.set(alias, { ...addresses, short });
    }
  }

  get size(): number {
    return this.#names.size + this.#wildcards.size;
  }

  /** The service that a name (in lower case) means; undefined: none. */
  find(name: string): NamedService | undefined {
    const found = this.#names.get(name);
    if (found !== undefined) return found;
    for (const suffix of this.#suffixes) {
      if (!name.endsWith(suffix)) continue;
      const service = this.#names.get(name.slice(0, -suffix.length));
      if (service !== undefined) return service;
    }
    if (this.#wildcards.size === 0) return undefined;
    for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const service = this.#wildcards.get(name.slice(dot));
      if (service !== undefined) return service;
    }
    return undefined;
  }
}
