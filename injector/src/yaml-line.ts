import { isMap, isNode, isScalar, isSeq, type Document, type LineCounter } from 'yaml';

/** The line of a field, or of what is there of it: the deepest of its parents. undefined: an empty document. */
export function yamlLine(
  document: Document.Parsed,
  lines: LineCounter,
  path: readonly string[],
): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const parent: unknown = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const offset = offsetWithin(parent, path[depth - 1] ?? '');
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  const start = document.contents?.range?.[0];
  return start === undefined ? undefined : lines.linePos(start).line;
}

function offsetWithin(parent: unknown, name: string): number | undefined {
  let found: unknown;
  if (isMap(parent)) found = parent.items.find(({ key }) => isScalar(key) && String(key.value) === name)?.key;
  else if (isSeq(parent)) found = parent.items[Number(name)];
  return isNode(found) ? found.range?.[0] : undefined;
}
