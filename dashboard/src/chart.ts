import { h, s } from './element.js';

export interface Line {
  readonly name: string;
  /** Which of the colours for lines; versions keep theirs on every chart of a page. */
  readonly colour: number;
  readonly values: readonly (number | null)[];
}

export interface ChartOptions {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  /** How long before now the chart begins, for people. */
  readonly since: string;
  /** The axis reaches at least there. */
  readonly least?: number;
}

const WIDTH = 420;
const HEIGHT = 120;

/** Lines over time. Gaps are gaps: where nothing was measured, nothing is drawn. */
export function chart({ title, lines, format, since, least = 0 }: ChartOptions): HTMLElement {
  const largest = Math.max(least, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const top = niceTop(largest);
  const lastOf = ({ values }: Line): number | null => values.findLast((value) => value !== null) ?? null;
  const summary = lines.map((line) => `${line.name} ${format(lastOf(line) ?? 0)}`).join(', ');
  return h(
    'figure',
    { class: 'chart', 'data-key': title },
    h(
      'figcaption',
      {},
      h('span', { class: 'chart-title' }, title),
      h('span', { class: 'chart-top' }, top === 0 ? '' : format(top)),
    ),
    s(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: 'none',
        role: 'img',
        'aria-label': `${title}: ${summary}`,
      },
      ...[0.25, 0.5, 0.75].map((part) =>
        s('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }),
      ),
      s('line', { class: 'base', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
      ...lines.map((line) =>
        s('path', {
          class: `series colour-${line.colour % 6}`,
          d: pathOf(line.values, top),
          'data-key': line.name,
        }),
      ),
    ),
    h('div', { class: 'chart-axis' }, h('span', {}, since), h('span', {}, 'now')),
  );
}

function pathOf(values: readonly (number | null)[], top: number): string {
  let path = '';
  let isDrawing = false;
  for (const [i, value] of values.entries()) {
    if (value === null) {
      isDrawing = false;
      continue;
    }
    const x = (i * WIDTH) / Math.max(1, values.length - 1);
    const y = HEIGHT - 1 - (top === 0 ? 0 : (value / top) * (HEIGHT - 6));
    path += `${isDrawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDrawing = true;
  }
  return path;
}

/** The next of 1, 2, 5, 10, … above, so that the axis does not move with every figure. */
function niceTop(largest: number): number {
  if (largest <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(largest));
  return (([1, 2, 5, 10].find((step) => step * power >= largest) ?? 10) as number) * power;
}
