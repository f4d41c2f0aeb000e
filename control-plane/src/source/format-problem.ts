import type { SourceProblem } from '../model/source-problem.js';

/**
 * A problem as people read it: severity and message, the place, the line with a caret, what was expected, what may have
 * been meant. Several lines, no newline at the end.
 */
export function formatProblem(problem: SourceProblem, options: { readonly color?: boolean } = {}): string {
  const paint = (code: string, text: string): string =>
    options.color === true ? `\x1b[${code}m${text}\x1b[0m` : text;
  const lines: string[] = [];
  const head = problem.severity === 'error' ? paint('31;1', 'error') : paint('33;1', 'warning');
  const owner =
    problem.resource === undefined
      ? ''
      : `${problem.resource.kind} ${problem.resource.namespace}/${problem.resource.name}: `;
  lines.push(`${head}: ${owner}${paint('1', problem.message)}`);
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  lines.push(`  at ${paint('36', place)}${problem.field === '' ? '' : `  ${problem.field}`}`);
  if (problem.lineText !== undefined && problem.line > 0) {
    const number = String(problem.line);
    const { text, caret } = excerpt(problem.lineText, problem.column);
    lines.push(`  ${paint('2', `${number} |`)} ${text}`);
    lines.push(`  ${' '.repeat(number.length)} ${paint('2', '|')} ${' '.repeat(caret)}${paint('31;1', '^')}`);
  }
  if (problem.expected !== undefined) lines.push(`  expected: ${problem.expected}`);
  if (problem.suggestion !== undefined) lines.push(`  did you mean: ${problem.suggestion}`);
  return lines.join('\n');
}

/** The part of a line around a column, and where the caret goes. Control characters would move the caret or the terminal. */
function excerpt(line: string, column: number): { text: string; caret: number } {
  // eslint-disable-next-line no-control-regex -- what would move the cursor is taken out
  const clean = line.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  const index = Math.min(Math.max(column - 1, 0), clean.length);
  if (clean.length <= 100) return { text: clean, caret: index };
  const start = Math.max(0, index - 50);
  const end = Math.min(clean.length, start + 100);
  const before = start > 0 ? '…' : '';
  return {
    text: `${before}${clean.slice(start, end)}${end < clean.length ? '…' : ''}`,
    caret: index - start + before.length,
  };
}
