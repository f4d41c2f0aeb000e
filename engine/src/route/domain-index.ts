/** A table from the domains of virtual hosts to their numbers. */
export class DomainIndex {
  readonly #exact = new Map<string, number>();
  /** `*.example.com` without its star, by length, longest first. */
  readonly #suffixes = new Map<number, Map<string, number>>();
  /** `example.*` without its star, by length, longest first. */
  readonly #prefixes = new Map<number, Map<string, number>>();
  #suffixLengths: number[] = [];
  #prefixLengths: number[] = [];
  #any = -1;

  /** `domains[i]` are those of virtual host `i`. The first to name a domain has it; translation refuses a second. */
  constructor(domains: readonly (readonly string[])[]) {
    domains.forEach((names, host) => {
      for (const name of names) this.#add(name.toLowerCase(), host);
    });
    const descending = (a: number, b: number): number => b - a;
    this.#suffixLengths = [...this.#suffixes.keys()].sort(descending);
    this.#prefixLengths = [...this.#prefixes.keys()].sort(descending);
  }

  #add(domain: string, host: number): void {
    if (domain === '*') {
      if (this.#any === -1) this.#any = host;
    } else if (domain.startsWith('*')) addByLength(this.#suffixes, domain.slice(1), host);
    else if (domain.endsWith('*')) addByLength(this.#prefixes, domain.slice(0, -1), host);
    else if (!this.#exact.has(domain)) this.#exact.set(domain, host);
  }

  /**
   * The number of the virtual host for an authority, or -1.
   *
   * Source: envoy.config.route.v3.VirtualHost.domains: exact, then the longest suffix, then the longest prefix, then `*`;
   * a star stands for at least one character; letters compare without case.
   */
  find(authority: string, ignorePort: boolean): number {
    let host = ignorePort ? stripPort(authority) : authority;
    let exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    const lower = host.toLowerCase();
    if (lower !== host) {
      host = lower;
      exact = this.#exact.get(host);
      if (exact !== undefined) return exact;
    }
    for (const length of this.#suffixLengths) {
      if (length >= host.length) continue;
      const found = this.#suffixes.get(length)?.get(host.slice(-length));
      if (found !== undefined) return found;
    }
    for (const length of this.#prefixLengths) {
      if (length >= host.length) continue;
      const found = this.#prefixes.get(length)?.get(host.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.#any;
  }
}

function addByLength(table: Map<number, Map<string, number>>, text: string, host: number): void {
  let sameLength = table.get(text.length);
  if (sameLength === undefined) table.set(text.length, (sameLength = new Map<string, number>()));
  if (!sameLength.has(text)) sameLength.set(text, host);
}

const PORT = /:\d+$/;

/** `host:port` and `[v6]:port` without the port. */
export function stripPort(host: string): string {
  const colon = host.lastIndexOf(':');
  if (colon === -1) return host;
  // A bare IPv6 address has colons and no port.
  if (host.endsWith(']') || (host.indexOf(':') !== colon && !host.startsWith('['))) return host;
  return PORT.test(host) ? host.slice(0, colon) : host;
}
