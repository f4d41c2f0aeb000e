/** Where the path ends and the query begins. */
export function pathEnd(path: string): number {
  const query = path.indexOf('?');
  return query === -1 ? path.length : query;
}

/** The path without query, and without `;parameters` where matching ignores them. */
export function pathForMatching(path: string, ignorePathParameters: boolean): string {
  let end = pathEnd(path);
  if (ignorePathParameters) {
    const semicolon = path.indexOf(';');
    if (semicolon !== -1 && semicolon < end) end = semicolon;
  }
  return end === path.length ? path : path.slice(0, end);
}
