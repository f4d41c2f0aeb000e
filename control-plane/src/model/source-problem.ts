import { formatFieldPath, type FieldPath, type MeshResource } from './mesh-resource.js';

/**
 * One mistake in what a user wrote.
 *
 * Shape: an `error` refuses its resource (the last good version stays); a `warning` does not. Lines and columns count
 * from 1; 0 means that the mistake has no place in a file (a folder that cannot be read).
 */
export interface SourceProblem {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The text of that line, for the caret. */
  readonly lineText?: string;
  readonly resource?: { readonly kind: string; readonly namespace: string; readonly name: string };
  /** `spec.http[0].route[1].weight`; empty for the document as a whole. */
  readonly field: string;
  readonly message: string;
  readonly expected?: string;
  /** What the user may have meant, as it should be written. */
  readonly suggestion?: string;
}

/** How a problem is worded, apart from its place. */
export interface ProblemWording {
  readonly message: string;
  readonly expected?: string;
  readonly suggestion?: string | undefined;
  readonly severity?: 'error' | 'warning';
  /** Point at the field's name instead of its value. */
  readonly at?: 'key';
}

/** A problem at a field of a resource, placed where that field stands in its file. */
export function problemAt(resource: MeshResource, path: FieldPath, wording: ProblemWording): SourceProblem {
  const { origin } = resource;
  const { line, column } = origin.locate(path, wording.at);
  const lineText = origin.lineText(line);
  return {
    severity: wording.severity ?? 'error',
    file: origin.file,
    line,
    column,
    ...(lineText === undefined ? {} : { lineText }),
    resource: { kind: resource.kind, namespace: resource.namespace, name: resource.name },
    field: formatFieldPath(path),
    message: wording.message,
    ...(wording.expected === undefined ? {} : { expected: wording.expected }),
    ...(wording.suggestion === undefined ? {} : { suggestion: wording.suggestion }),
  };
}
