import type { GraphEdge, GraphNode, GraphView, Health } from '@heddle/control-plane/dashboard-api';
import { s } from './element.js';
import { bytesText, durationText, percentText, rateText, shortened } from './format.js';
import { layOut, type Layout, type Placed } from './layout.js';
import { servicePath } from './paths.js';

const NODE_WIDTH = 220;
const HEAD_HEIGHT = 50;
const ROW_HEIGHT = 22;
const COLUMN_GAP = 190;
const LABEL_HEIGHT = 34;
const LABEL_WIDTH = 132;

/** Draws the graph of services. Where things stand depends on what there is, never on figures. */
export class GraphDrawing {
  #layoutKey = '';
  #layout: Layout | undefined;

  draw(view: GraphView): SVGElement {
    const { places, width, height, idleY } = this.#layoutOf(view);
    const nodes = new Map(view.nodes.map((node) => [node.id, node]));
    const routes = routeEdges(view.edges, nodes, places);
    return s(
      'svg',
      {
        class: 'graph',
        viewBox: `0 0 ${width} ${height}`,
        width,
        height,
        role: 'group',
        'aria-label': 'Service graph; the table below has the same figures',
        'data-key': 'graph',
      },
      s(
        'defs',
        {},
        ...(['good', 'warning', 'bad', 'idle'] as const).map((health) =>
          s(
            'marker',
            {
              id: `arrow-${health}`,
              ...{ viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto' },
              markerUnits: 'userSpaceOnUse',
            },
            s('path', { d: 'M0 0.5 7.5 4 0 7.5 2 4z', class: `arrowhead ${health}` }),
          ),
        ),
      ),
      idleY === undefined
        ? null
        : s('text', { x: 24, y: idleY - 12, class: 'graph-note' }, 'No calls seen yet'),
      s('g', { class: 'edges', 'data-key': 'edges' }, ...routes.map(drawEdge)),
      s(
        'g',
        { class: 'nodes', 'data-key': 'nodes' },
        ...view.nodes.map((node) => drawNode(node, places.get(node.id))),
      ),
      s('g', { class: 'labels', 'data-key': 'labels' }, ...routes.map(drawLabel)),
    );
  }

  #layoutOf(view: GraphView): Layout {
    const boxes = view.nodes.map((node) => ({ id: node.id, width: NODE_WIDTH, height: heightOf(node) }));
    const key = JSON.stringify([boxes, view.edges.map(({ id }) => id)]);
    if (this.#layout === undefined || key !== this.#layoutKey) {
      this.#layoutKey = key;
      this.#layout = layOut(boxes, view.edges, { columnGap: COLUMN_GAP, rowGap: 34, margin: 24 });
    }
    return this.#layout;
  }
}

function heightOf({ versions }: GraphNode): number {
  return HEAD_HEIGHT + (versions.length === 0 ? 0 : Math.min(versions.length, 6) * ROW_HEIGHT + 8);
}

interface Route {
  readonly edge: GraphEdge;
  readonly path: string;
  readonly labelX: number;
  labelY: number;
}

/** Arrows leave and arrive one below the other, in the order of where they lead; labels give way to each other. */
function routeEdges(
  edges: readonly GraphEdge[],
  nodes: ReadonlyMap<string, GraphNode>,
  places: ReadonlyMap<string, Placed>,
): readonly Route[] {
  const port = (id: string, side: 'out' | 'in', edge: GraphEdge): number => {
    const own = edges.filter((other) => (side === 'out' ? other.source : other.target) === id);
    const far = (other: GraphEdge): number => {
      const place = places.get(side === 'out' ? other.target : other.source);
      return (place?.y ?? 0) + (place?.layer ?? 0) / 1000;
    };
    own.sort((a, b) => far(a) - far(b) || (a.id < b.id ? -1 : 1));
    const node = nodes.get(id);
    const height = node === undefined ? 0 : heightOf(node);
    return (places.get(id)?.y ?? 0) + (height * (own.indexOf(edge) + 1)) / (own.length + 1);
  };
  const routes: Route[] = [];
  for (const edge of edges) {
    const source = places.get(edge.source);
    const target = places.get(edge.target);
    if (source === undefined || target === undefined) continue;
    const isBack = target.layer <= source.layer;
    const x1 = source.x + NODE_WIDTH;
    const y1 = port(edge.source, 'out', edge);
    const x2 = target.x - 2;
    const y2 = port(edge.target, 'in', edge);
    const bend = isBack ? 120 : Math.max(60, (x2 - x1) * 0.45);
    const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    // In the gap before the target, where arrows of one column have parted already.
    const isLong = target.layer - source.layer > 1;
    const labelX = isBack ? (x1 + x2) / 2 : isLong ? x2 - COLUMN_GAP / 2 + 2 : (x1 + x2) / 2;
    const t = isLong ? solveX(x1, x1 + bend, x2 - bend, x2, labelX) : 0.5;
    routes.push({ edge, path, labelX, labelY: bezier(y1, y1, y2, y2, t) });
  }
  spreadLabels(routes);
  return routes;
}

function bezier(a: number, b: number, c: number, d: number, t: number): number {
  const u = 1 - t;
  return u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
}

function solveX(a: number, b: number, c: number, d: number, x: number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (bezier(a, b, c, d, middle) < x) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function spreadLabels(routes: readonly Route[]): void {
  const columns = new Map<number, Route[]>();
  for (const route of routes) {
    const column = Math.round(route.labelX / (LABEL_WIDTH * 1.4));
    columns.set(column, [...(columns.get(column) ?? []), route]);
  }
  const gap = LABEL_HEIGHT + 6;
  for (const column of columns.values()) {
    column.sort((a, b) => a.labelY - b.labelY || (a.edge.id < b.edge.id ? -1 : 1));
    for (let pass = 0; pass < 6; pass++) {
      for (let i = 1; i < column.length; i++) {
        const above = column[i - 1] as Route;
        const below = column[i] as Route;
        const missing = gap - (below.labelY - above.labelY);
        if (missing <= 0) continue;
        above.labelY -= missing / 2;
        below.labelY += missing / 2;
      }
    }
  }
}

/** How thick: by the order of magnitude of the rate. */
function widthOf(rate: number): number {
  return rate <= 0 ? 1.5 : Math.min(6, 1.5 + Math.log10(1 + rate) * 1.3);
}

function speedOf(rate: number): string {
  if (rate <= 0) return 'still';
  return rate < 2 ? 'slow' : rate < 30 ? 'steady' : 'fast';
}

function drawEdge({ edge, path }: Route): SVGElement {
  const { health, figures } = edge;
  const width = widthOf(figures.rate).toFixed(1);
  return s(
    'g',
    { class: `edge ${health}`, 'data-key': edge.id, 'data-edge': edge.id },
    s('path', { class: 'line', d: path, 'stroke-width': width, 'marker-end': `url(#arrow-${health})` }),
    s('path', { class: `flow ${speedOf(figures.rate)}`, d: path, 'stroke-width': width }),
  );
}

const SECURITY: Readonly<Record<GraphEdge['security'], string>> = {
  'mutual-tls': 'mutual TLS',
  mixed: 'partly in plain text',
  plaintext: 'plain text',
  unknown: 'security not known',
};

export function securityText(security: GraphEdge['security']): string {
  return SECURITY[security];
}

function drawLabel({ edge, labelX, labelY }: Route): SVGElement {
  const { figures, security, health } = edge;
  const isTcp = figures.requests === 0 && figures.connections > 0;
  const first = isTcp ? bytesText(figures.bytesRate) : rateText(figures.rate);
  const second = isTcp
    ? `${figures.connections} connections`
    : figures.p50Ms === null
      ? 'idle'
      : `${durationText(figures.p50Ms)} · ${durationText(figures.p99Ms)}`;
  const x = labelX - LABEL_WIDTH / 2;
  const y = labelY - LABEL_HEIGHT / 2;
  const describe = `${edge.source} to ${edge.target}: ${first}, ${percentText(figures.successRatio)} succeed, p50 ${durationText(figures.p50Ms)}, p99 ${durationText(figures.p99Ms)}, ${SECURITY[security]}`;
  return s(
    'g',
    {
      class: `label ${health}`,
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
      'data-key': edge.id,
    },
    s('title', {}, describe),
    s('rect', { width: LABEL_WIDTH, height: LABEL_HEIGHT, rx: 7 }),
    lock(security, 9, 10),
    s('text', { x: 27, y: 14.5, class: 'first' }, first),
    isTcp
      ? null
      : s(
          'text',
          { x: LABEL_WIDTH - 8, y: 14.5, class: `success ${health}` },
          percentText(figures.successRatio),
        ),
    s('text', { x: 27, y: 27.5, class: 'second' }, second),
  );
}

/** A closed lock where every call is mutual TLS, an open one where not. */
function lock(security: GraphEdge['security'], x: number, y: number): SVGElement {
  const isClosed = security === 'mutual-tls';
  return s(
    'g',
    { class: `lock ${security}`, transform: `translate(${x} ${y})` },
    s('path', { d: isClosed ? 'M2.5 6V4a3 3 0 0 1 6 0v2' : 'M2.5 6V3a3 3 0 0 1 5.8-1', class: 'shackle' }),
    s('rect', { x: 0.5, y: 6, width: 10, height: 7.5, rx: 1.6 }),
    security === 'unknown' ? s('text', { x: 5.5, y: 12.4, class: 'mark' }, '?') : null,
  );
}

const HEALTH_WORDS: Readonly<Record<Health, string>> = {
  good: 'healthy',
  warning: 'some calls fail',
  bad: 'unhealthy',
  idle: 'idle',
};

/** A sign of its own shape for each state, so that colour is not needed to tell them apart. */
export function healthSign(health: Health, x = 0, y = 0): SVGElement {
  const shapes: Readonly<Record<Health, string>> = {
    good: 'M6 .5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11m2.6 3.6L5.4 8.2 3.3 6.2',
    warning: 'M6 .6 11.6 11H.4zM6 4.2v3.2M6 9v.6',
    bad: 'M6 .5 11.5 6 6 11.5.5 6zM4.2 4.2l3.6 3.6M7.8 4.2 4.2 7.8',
    idle: 'M6 .9a5.1 5.1 0 1 0 0 10.2A5.1 5.1 0 0 0 6 .9',
  };
  return s(
    'g',
    {
      class: `sign ${health}`,
      transform: `translate(${x} ${y})`,
      role: 'img',
      'aria-label': HEALTH_WORDS[health],
    },
    s('path', { d: shapes[health] }),
  );
}

function drawNode(node: GraphNode, place: Placed | undefined): SVGElement | null {
  if (place === undefined) return null;
  const { kind, health, figures, reasons } = node;
  const height = heightOf(node);
  const isTcp = figures.requests === 0 && figures.connections > 0;
  const subtitle =
    reasons[0] ??
    (kind === 'service'
      ? `${node.healthyEndpoints}/${node.endpoints} ready`
      : kind === 'gateway'
        ? 'gateway'
        : kind === 'external'
          ? 'outside the mesh'
          : 'callers without a sidecar');
  const content = [
    s('rect', { class: 'card', width: NODE_WIDTH, height, rx: 11 }),
    s('rect', { class: 'stripe', y: 11, width: 4, height: height - 22, rx: 2 }),
    healthSign(health, 15, 13),
    s('text', { class: 'name', x: 34, y: 23.5 }, shortened(node.name, 15)),
    s(
      'text',
      { class: 'rate', x: NODE_WIDTH - 13, y: 23.5 },
      isTcp ? bytesText(figures.bytesRate) : rateText(figures.rate),
    ),
    s('text', { class: 'subtitle', x: 34, y: 39.5 }, shortened(subtitle, 26)),
    figures.successRatio === null || kind === 'outside'
      ? null
      : s(
          'text',
          { class: `success ${health}`, x: NODE_WIDTH - 13, y: 39.5 },
          percentText(figures.successRatio),
        ),
    ...node.versions.slice(0, 6).map((version, i) => {
      const y = HEAD_HEIGHT + i * ROW_HEIGHT;
      const share = version.share ?? 0;
      const isHurt = version.successRatio !== null && version.successRatio < 0.999;
      return s(
        'g',
        { class: 'version', transform: `translate(0 ${y})`, 'data-key': `${node.id} ${version.workload}` },
        s('text', { class: 'version-name', x: 34, y: 14 }, shortened(version.version || version.workload, 9)),
        s('rect', { class: 'share-back', x: 96, y: 7, width: 60, height: 6, rx: 3 }),
        s('rect', {
          class: `share${isHurt ? ' bad' : ''}`,
          x: 96,
          y: 7,
          width: (60 * share).toFixed(1),
          height: 6,
          rx: 3,
        }),
        s(
          'text',
          { class: isHurt ? 'version-rate hurt' : 'version-rate', x: NODE_WIDTH - 13, y: 14 },
          version.endpoints > 0 && version.healthyEndpoints === 0
            ? 'down'
            : isHurt
              ? percentText(version.successRatio)
              : rateText(version.rate),
        ),
      );
    }),
  ];
  const title = s(
    'title',
    {},
    `${node.namespace === '' ? '' : `${node.namespace}/`}${node.name}: ${HEALTH_WORDS[health]}${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`,
  );
  const group = {
    class: `node ${kind} ${health}`,
    transform: `translate(${place.x} ${place.y})`,
    'data-key': node.id,
  };
  if (kind === 'outside') return s('g', group, title, ...content);
  return s(
    'g',
    group,
    s(
      'a',
      { href: servicePath(node.id), 'aria-label': `${node.name}: ${HEALTH_WORDS[health]}` },
      title,
      ...content,
    ),
  );
}
