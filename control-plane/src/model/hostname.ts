/** The domain of services of this mesh. Source: Kubernetes' default cluster domain. */
export const clusterDomain = 'cluster.local';

/** `reviews.default.svc.cluster.local`. */
export function serviceHostname(name: string, namespace: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

/** A host as a resource of `namespace` means it: a name without dots is a service of that namespace, as in Istio. */
export function resolveHost(host: string, namespace: string): string {
  const lower = host.toLowerCase();
  if (lower === '*' || lower.includes('.') || lower.includes(':')) return lower;
  return serviceHostname(lower, namespace);
}

/** Whether a pattern (`*`, `*.example.com`, `a.example.com`) covers a host or another pattern. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  return pattern.startsWith('*.') && host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}

/** Orders patterns from the most specific: names before wildcards, longer before shorter. */
export function compareSpecificity(a: string, b: string): number {
  const wildA = a.startsWith('*') ? 1 : 0;
  const wildB = b.startsWith('*') ? 1 : 0;
  return wildA - wildB || b.length - a.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** All names by which callers of `namespace` call a host: for services of the mesh the shorter forms as well. */
export function hostAliases(host: string, namespace: string): readonly string[] {
  const suffix = `.svc.${clusterDomain}`;
  if (!host.endsWith(suffix) || host.startsWith('*')) return [host];
  const [name = '', owner = '', ...rest] = host.slice(0, -suffix.length).split('.');
  if (rest.length > 0 || owner === '') return [host];
  const aliases = [host, `${name}.${owner}.svc`, `${name}.${owner}`];
  return owner === namespace ? [...aliases, name] : aliases;
}
