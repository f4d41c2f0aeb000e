import type { GraphEdge, GraphNode, GraphView } from '@heddle/control-plane/dashboard-api';
import { h, type Child } from './element.js';
import { countText, durationText, percentText, rateText } from './format.js';
import { GraphDrawing, healthSign, securityText } from './graph-drawing.js';
import { s } from './element.js';
import { servicePath } from './paths.js';

/** The graph, and below it the same as a table. */
export class GraphPage {
  readonly #drawing = new GraphDrawing();

  render(view: GraphView): Child {
    const unhealthy = view.nodes.filter(({ health }) => health === 'bad' || health === 'warning');
    return [
      h(
        'div',
        { class: 'page-head', 'data-key': 'head' },
        h('h1', {}, 'Service graph'),
        h('p', { class: 'lead' }, summaryOf(view, unhealthy)),
        h(
          'ul',
          { class: 'legend', 'aria-label': 'Legend' },
          h('li', {}, sign('good'), 'healthy'),
          h('li', {}, sign('warning'), 'some calls fail'),
          h('li', {}, sign('bad'), 'unhealthy'),
          h('li', { class: 'muted' }, 'on an arrow: calls a second, share that succeeds, p50 · p99'),
        ),
      ),
      h('div', { class: 'graph-frame panel', 'data-key': 'frame' }, this.#drawing.draw(view)),
      edgeTable(view.edges, view.nodes, 'Calls'),
      view.leftOut === 0 ? null : h('p', { class: 'muted' }, `${view.leftOut} more are not shown.`),
    ];
  }
}

export function sign(health: GraphNode['health']): HTMLElement {
  return h(
    'span',
    { class: 'sign-box' },
    s('svg', { viewBox: '0 0 12 12', width: 12, height: 12 }, healthSign(health)),
  );
}

function summaryOf({ nodes, edges }: GraphView, unhealthy: readonly GraphNode[]): Child {
  const rate = edges.reduce((sum, { figures }) => sum + figures.rate, 0);
  const services = nodes.filter(({ kind }) => kind === 'service').length;
  return [
    `${services} services, ${rateText(rate)} between them. `,
    unhealthy.length === 0
      ? 'All calls succeed.'
      : h(
          'strong',
          { class: 'bad-text' },
          `${unhealthy.map(({ name }) => name).join(', ')} ${unhealthy.length === 1 ? 'needs' : 'need'} attention.`,
        ),
  ];
}

export function edgeTable(
  edges: readonly GraphEdge[],
  nodes: readonly Pick<GraphNode, 'id' | 'name' | 'kind'>[],
  caption: string,
): HTMLElement {
  const nameOf = (id: string): Child => {
    const node = nodes.find((other) => other.id === id);
    const name = node?.name ?? id.split('/')[1] ?? id;
    return id === 'outside' ? name : h('a', { href: servicePath(id) }, name);
  };
  return h(
    'section',
    { class: 'panel', 'data-key': caption },
    h('h2', {}, caption),
    edges.length === 0
      ? h(
          'p',
          { class: 'muted' },
          'No calls yet. As soon as something calls through the mesh, it stands here.',
        )
      : h(
          'div',
          { class: 'scroll' },
          h(
            'table',
            {},
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                ...['From', 'To'].map((title) => h('th', { scope: 'col' }, title)),
                ...['Rate', 'Success', 'p50', 'p99', 'Requests', 'Failed'].map((title) =>
                  h('th', { scope: 'col', class: 'number' }, title),
                ),
                h('th', { scope: 'col' }, 'Secured by'),
              ),
            ),
            h(
              'tbody',
              {},
              ...edges.map(({ id, source, target, figures, security, health }) =>
                h(
                  'tr',
                  {
                    'data-key': id,
                    'data-call': id,
                    'data-requests': figures.requests,
                    'data-failed': figures.failed,
                  },
                  h('td', {}, nameOf(source)),
                  h('td', {}, nameOf(target)),
                  h('td', { class: 'number' }, rateText(figures.rate)),
                  h('td', { class: `number ${health}-text` }, percentText(figures.successRatio)),
                  h('td', { class: 'number' }, durationText(figures.p50Ms)),
                  h('td', { class: 'number' }, durationText(figures.p99Ms)),
                  h('td', { class: 'number' }, countText(figures.requests)),
                  h('td', { class: 'number' }, countText(figures.failed)),
                  h('td', { class: security === 'mutual-tls' ? '' : 'warning-text' }, securityText(security)),
                ),
              ),
            ),
          ),
        ),
  );
}
