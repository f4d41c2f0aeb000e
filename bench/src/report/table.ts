import { METRICS } from '../load/scenario.js';
import type { ComparedVariant } from './comparison.js';
import type { Spread } from './statistics.js';

/** Heads and cells of one comparison: medians, and lowest to highest in brackets. */
export function comparisonRows(compared: ComparedVariant, anchorName: string): string[][] {
  const metrics = METRICS.filter(({ name }) => compared.subjects.some((subject) => subject.metrics[name]));
  const hasRatio = compared.subjects.some(({ ratioToAnchor }) => ratioToAnchor !== undefined);
  const leading = hasRatio ? metrics.find(({ name }) => name === compared.leadingMetric) : undefined;
  const heads = metrics.flatMap((metric) =>
    metric === leading ? [metric.title, `÷ ${anchorName}, per round`] : [metric.title],
  );
  const rows = compared.subjects.map((subject) => [
    subject.name,
    ...metrics.flatMap((metric) => {
      const cell = spreadCell(subject.metrics[metric.name], metric.decimals);
      return metric === leading ? [cell, spreadCell(subject.ratioToAnchor, 2)] : [cell];
    }),
  ]);
  return [['', ...heads], ...rows];
}

/** Columns padded to one width, for a terminal. */
export function terminalTable(rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(rows);
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [heads, ...body] = rows;
  if (heads === undefined) return '';
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(heads),
    line(heads.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...body.map(line),
  ].join('\n');
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return widths;
}

function spreadCell(spread: Spread | undefined, decimals: number): string {
  if (spread === undefined) return '–';
  const median = spread.median.toFixed(decimals);
  if (spread.min === spread.max) return median;
  return `${median} (${spread.min.toFixed(decimals)}–${spread.max.toFixed(decimals)})`;
}
