import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';

/** YAML or JSON as a plain value, and where in the text each of its parts stands. */
export interface ConfigDocument {
  readonly value: unknown;
  /** Mistakes of the syntax, with their lines; the value is not to be used when there are any. */
  readonly problems: readonly { readonly line: number; readonly message: string }[];
  /** The line, from 1, of what a path such as `a.b[2].c` names, or of the deepest part of it that exists. */
  lineOf(path: string): number;
}

const SEGMENT = /\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g;

/** How often aliases may be resolved: a few kilobytes must not unfold to gigabytes. */
const MAX_ALIASES = 1000;

/** Reads YAML 1.2, and so JSON, keeping the lines. */
export function parseConfigDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const problems: { line: number; message: string }[] = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    message: error.message,
  }));
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (cause) {
      problems.push({ line: 1, message: (cause as Error).message });
    }
  }
  return { value, problems, lineOf: (path) => lineOf(document, lines, path) };
}

function lineOf(document: Document.Parsed, lines: LineCounter, path: string): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const match of path.matchAll(SEGMENT)) {
    const [, index, quoted, plain] = match;
    if (index !== undefined) {
      const item: unknown = isSeq(node) ? node.items[Number(index)] : undefined;
      if (item === undefined) break;
      node = item;
      offset = startOf(item) ?? offset;
      continue;
    }
    const name = quoted === undefined ? (plain as string) : (JSON.parse(`"${quoted}"`) as string);
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && sameField(String(item.key.value), name))
      : undefined;
    if (pair === undefined) continue; // a step that the text does not have, such as the name of a oneof
    offset = startOf(pair.key) ?? offset;
    node = pair.value;
  }
  return lines.linePos(offset).line;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}

/** ProtoJSON takes a field by its own name and by its lowerCamelCase name. */
function sameField(written: string, name: string): boolean {
  return (
    written === name || written.replaceAll('_', '').toLowerCase() === name.replaceAll('_', '').toLowerCase()
  );
}
