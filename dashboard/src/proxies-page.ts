import type { ProxiesView, ProxyView } from '@heddle/control-plane/dashboard-api';
import { h, type Child } from './element.js';
import { agoText } from './format.js';
import { sign } from './graph-page.js';

const TYPES = [
  ['Cluster', 'Clusters'],
  ['ClusterLoadAssignment', 'Endpoints'],
  ['Listener', 'Listeners'],
  ['RouteConfiguration', 'Routes'],
  ['Secret', 'Secrets'],
] as const;

const STATES: Readonly<Record<ProxyView['state'], readonly [Parameters<typeof sign>[0], string]>> = {
  synced: ['good', 'in sync'],
  sent: ['warning', 'not acknowledged yet'],
  pending: ['warning', 'waiting to be sent'],
  nacked: ['bad', 'refused'],
  'never-sent': ['idle', 'nothing sent'],
};

/** Every connected proxy, and how far it is. */
export function proxiesPage({ proxies, leftOut }: ProxiesView, nowMs: number): Child {
  const behind = proxies.filter(({ state }) => state !== 'synced').length;
  const sorted = [...proxies].sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    h(
      'div',
      { class: 'page-head', 'data-key': 'head' },
      h('h1', {}, 'Proxies'),
      h(
        'p',
        { class: 'lead' },
        proxies.length === 0
          ? 'No proxy is connected.'
          : behind === 0
            ? `${proxies.length} connected, and every one has acknowledged everything.`
            : `${proxies.length} connected, ${behind} of them not in sync.`,
      ),
    ),
    h(
      'section',
      { class: 'panel', 'data-key': 'table' },
      h(
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
              ...['Proxy', 'Role', 'State'].map((title) => h('th', { scope: 'col' }, title)),
              ...TYPES.map(([, title]) => h('th', { scope: 'col', class: 'number' }, title)),
              ...['Identity', 'Version', 'Connected'].map((title) => h('th', { scope: 'col' }, title)),
            ),
          ),
          h('tbody', {}, ...sorted.map((proxy) => row(proxy, nowMs))),
        ),
      ),
      leftOut === 0 ? null : h('p', { class: 'muted' }, `${leftOut} more are not shown.`),
    ),
  ];
}

function row(proxy: ProxyView, nowMs: number): HTMLElement {
  const [health, words] = STATES[proxy.state];
  const nacks = proxy.types.flatMap(({ type, nack }) => (nack === null ? [] : [`${type}: ${nack}`]));
  return h(
    'tr',
    { 'data-key': proxy.id },
    h(
      'td',
      {},
      h('strong', {}, proxy.name),
      proxy.unread === null ? null : h('p', { class: 'warning-text small' }, `metrics: ${proxy.unread}`),
    ),
    h('td', {}, proxy.role),
    h(
      'td',
      {},
      h('span', { class: 'whole' }, sign(health), words),
      ...nacks.map((nack) => h('p', { class: 'bad-text small' }, nack)),
    ),
    ...TYPES.map(([type]) =>
      h(
        'td',
        { class: 'number' },
        String(proxy.types.find((other) => other.type === type)?.resources ?? '–'),
      ),
    ),
    h(
      'td',
      { class: 'mono small' },
      proxy.identity === null
        ? h('span', { class: 'muted' }, 'none proven')
        : h('span', { title: proxy.identity }, proxy.identity.replace(/^.*\/ns\/(.+)\/sa\/(.+)$/, '$1/$2')),
    ),
    h('td', { class: 'whole' }, `${proxy.version} · ${proxy.protocol}`),
    h('td', { class: 'whole' }, `${agoText(nowMs - proxy.connectedAtMs)} ago`),
  );
}
