import type { History, ServiceView, VersionFigures } from '@heddle/control-plane/dashboard-api';
import { chart, type Line } from './chart.js';
import { h, type Child } from './element.js';
import { countText, durationText, percentText, rateText } from './format.js';
import { edgeTable, sign } from './graph-page.js';
import { resourcePath } from './paths.js';

export type Range = 'recent' | 'long';

/** One service: its golden signals by version, who calls it, and what may be wrong with it. */
export function servicePage(view: ServiceView | null, id: string, range: Range): Child {
  if (view === null) {
    return h(
      'div',
      { class: 'page-head' },
      h('h1', {}, id),
      h('p', { class: 'lead' }, 'There is no such service in the mesh, and nothing calls one.'),
    );
  }
  const { node, host, ports } = view;
  const { figures } = node;
  return [
    h(
      'div',
      { class: 'page-head', 'data-key': 'head' },
      h(
        'p',
        { class: 'crumbs' },
        h('a', { href: '#/graph' }, 'Service graph'),
        ' / ',
        node.namespace || 'outside',
      ),
      h('h1', {}, sign(node.health), node.name),
      h(
        'p',
        { class: 'lead' },
        h('span', { class: 'mono' }, host),
        ports.length === 0
          ? ''
          : ` · ${ports.map(({ number, protocol }) => `${number}/${protocol}`).join(', ')}`,
        node.reasons.length === 0
          ? null
          : h('strong', { class: 'bad-text' }, ` · ${node.reasons.join(', ')}`),
      ),
    ),
    h(
      'dl',
      { class: 'tiles', 'data-key': 'tiles' },
      tile('Rate', rateText(figures.rate)),
      tile('Success', percentText(figures.successRatio), node.health),
      tile('p50', durationText(figures.p50Ms)),
      tile('p99', durationText(figures.p99Ms)),
      tile('Endpoints', node.endpoints === 0 ? '–' : `${node.healthyEndpoints} of ${node.endpoints}`),
      tile('Retries', countText(view.retries)),
    ),
    charts(view, range),
    node.versions.length === 0 ? null : versionTable(node.versions),
    edgeTable(view.callers, [], 'Who calls it'),
    view.callees.length === 0 ? null : edgeTable(view.callees, [], 'Whom it calls'),
    troubleTable(view),
    endpointTable(view),
    view.resources.length === 0
      ? null
      : h(
          'section',
          { class: 'panel', 'data-key': 'resources' },
          h('h2', {}, 'Resources about it'),
          h(
            'ul',
            { class: 'chips' },
            ...view.resources.map(({ kind, namespace, name, errors, warnings }) =>
              h(
                'li',
                {},
                h(
                  'a',
                  { href: resourcePath(kind, namespace, name) },
                  errors > 0 ? sign('bad') : warnings > 0 ? sign('warning') : null,
                  h('span', { class: 'muted' }, kind),
                  ` ${name}`,
                ),
              ),
            ),
          ),
        ),
  ];
}

function tile(name: string, value: string, health = ''): HTMLElement {
  return h('div', { class: `tile ${health}`, 'data-key': name }, h('dt', {}, name), h('dd', {}, value));
}

function charts({ history }: ServiceView, range: Range): HTMLElement {
  const lines = (pick: (own: History) => readonly (number | null)[]): readonly Line[] =>
    history.map((version, i) => ({
      name: version.version,
      colour: i,
      values: pick(version[range]),
    }));
  const since = range === 'recent' ? '2 min ago' : '30 min ago';
  return h(
    'section',
    { class: 'panel', 'data-key': 'charts' },
    h(
      'div',
      { class: 'panel-head' },
      h('h2', {}, 'Golden signals'),
      h(
        'ul',
        { class: 'line-legend' },
        ...history.map(({ version }, i) =>
          h('li', {}, h('span', { class: `swatch colour-${i % 6}` }), version),
        ),
      ),
      h(
        'div',
        { class: 'switch', role: 'group', 'aria-label': 'Range' },
        ...(['recent', 'long'] as const).map((choice) =>
          h(
            'button',
            { type: 'button', 'data-action': `range-${choice}`, 'aria-pressed': String(choice === range) },
            choice === 'recent' ? '2 min' : '30 min',
          ),
        ),
      ),
    ),
    history.length === 0
      ? h('p', { class: 'muted' }, 'Nothing has been measured yet.')
      : h(
          'div',
          { class: 'charts' },
          chart({ title: 'Requests', lines: lines(({ rate }) => rate), format: rateText, since }),
          chart({
            title: 'Failures',
            lines: lines(({ failedRate }) => failedRate),
            format: rateText,
            since,
            least: 1,
          }),
          chart({ title: 'p50', lines: lines(({ p50Ms }) => p50Ms), format: durationText, since }),
          chart({ title: 'p99', lines: lines(({ p99Ms }) => p99Ms), format: durationText, since }),
        ),
  );
}

function versionTable(versions: readonly VersionFigures[]): HTMLElement {
  return h(
    'section',
    { class: 'panel', 'data-key': 'versions' },
    h('h2', {}, 'Versions'),
    table(
      ['Version', 'Workload'],
      ['Share', 'Rate', 'Success', 'p50', 'p99', 'Requests', 'Failed', 'Ready'],
      versions.map((version) => [
        version.workload,
        [version.version || '–', version.workload],
        [
          percentText(version.share),
          rateText(version.rate),
          percentText(version.successRatio),
          durationText(version.p50Ms),
          durationText(version.p99Ms),
          countText(version.requests),
          countText(version.failed),
          `${version.healthyEndpoints} of ${version.endpoints}`,
        ],
      ]),
    ),
  );
}

function troubleTable({ trouble }: ServiceView): HTMLElement {
  return h(
    'section',
    { class: 'panel', 'data-key': 'trouble' },
    h('h2', {}, 'Retries, breakers and ejected hosts, by caller'),
    trouble.length === 0
      ? h('p', { class: 'muted' }, 'No caller retried, no circuit breaker is open, no host is ejected.')
      : table(
          ['Proxy', 'Port', 'Subset', 'Open breakers'],
          ['Retries', 'Ejected'],
          trouble.map(({ proxy, port, subset, openBreakers, retries, ejected }) => [
            `${proxy} ${port} ${subset}`,
            [proxy, String(port), subset || 'all', openBreakers.join(', ') || '–'],
            [countText(retries), countText(ejected)],
          ]),
        ),
  );
}

function endpointTable({ endpoints }: ServiceView): HTMLElement | null {
  if (endpoints.length === 0) return null;
  return h(
    'section',
    { class: 'panel', 'data-key': 'endpoints' },
    h('h2', {}, 'Endpoints'),
    table(
      ['Address', 'Workload', 'Version', 'State', 'Mutual TLS'],
      [],
      endpoints.map(({ address, workload, version, health, mtls }) => [
        address,
        [address, workload, version || '–', health, mtls ? 'yes' : 'no'],
        [],
      ]),
    ),
  );
}

function table(
  texts: readonly string[],
  numbers: readonly string[],
  rows: readonly (readonly [string, readonly string[], readonly string[]])[],
): HTMLElement {
  return h(
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
          ...texts.map((title) => h('th', { scope: 'col' }, title)),
          ...numbers.map((title) => h('th', { scope: 'col', class: 'number' }, title)),
        ),
      ),
      h(
        'tbody',
        {},
        ...rows.map(([key, words, figures]) =>
          h(
            'tr',
            { 'data-key': key },
            ...words.map((word) => h('td', {}, word)),
            ...figures.map((figure) => h('td', { class: 'number' }, figure)),
          ),
        ),
      ),
    ),
  );
}
