import { Document, LineCounter, parseDocument, type Node } from 'yaml';
import type { ProblemView } from '../dashboard-api.js';

/** `spec.http[0].route[1].weight` as a path; names with dots in them stand in quotes and brackets. */
function pathOf(field: string): (string | number)[] {
  return [...field.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)].map(
    ([, index, quoted, name]) => (index === undefined ? (quoted ?? name ?? '') : Number(index)),
  );
}

/**
 * A resource as YAML for people, and for each problem the line that it is about: that of the field, or of the nearest parent that
 * is there.
 */
export function readableYaml(
  resource: unknown,
  problems: readonly ProblemView[],
): { readonly yaml: string; readonly problems: readonly (ProblemView & { readonly yamlLine: number })[] } {
  const yaml = new Document(resource).toString({ lineWidth: 0 });
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines });
  const lineOf = (field: string): number => {
    if (field === '') return 0;
    for (let path = pathOf(field); path.length > 0; path = path.slice(0, -1)) {
      const range = (document.getIn(path, true) as Node | undefined)?.range;
      if (range != null) return lines.linePos(range[0]).line;
    }
    return 0;
  };
  return { yaml, problems: problems.map((problem) => ({ ...problem, yamlLine: lineOf(problem.field) })) };
}
