/** The addresses of pages, all behind `#`, so that every page is the same file. */
export function servicePath(id: string): string {
  return `#/service/${encodeURIComponent(id)}`;
}

export function resourcePath(kind: string, namespace: string, name: string): string {
  return `#/resources/${[kind, namespace, name].map(encodeURIComponent).join('/')}`;
}

export interface Place {
  readonly page: 'graph' | 'service' | 'canaries' | 'resources' | 'proxies';
  readonly parts: readonly string[];
}

const PAGES = ['graph', 'service', 'canaries', 'resources', 'proxies'] as const;

/** Which page an address means; what is not known means the graph. */
export function placeOf(hash: string): Place {
  const [name = '', ...rest] = hash.replace(/^#\/?/, '').split('/');
  const page = PAGES.find((known) => known === name) ?? 'graph';
  return { page, parts: rest.map(decoded) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
