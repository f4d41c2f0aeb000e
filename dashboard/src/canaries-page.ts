import type { CanariesView, CanaryVersionFigures, CanaryView } from '@heddle/control-plane/dashboard-api';
import { h, type Child } from './element.js';
import { agoText, countText, durationText, percentText } from './format.js';
import { sign } from './graph-page.js';
import { servicePath } from './paths.js';

const PHASES: Readonly<Record<CanaryView['phase'], readonly [Parameters<typeof sign>[0], string]>> = {
  waiting: ['idle', 'waiting'],
  applying: ['good', 'reaching the proxies'],
  observing: ['good', 'observed'],
  paused: ['warning', 'paused'],
  promoted: ['good', 'promoted'],
  'rolled-back': ['bad', 'rolled back'],
  aborted: ['bad', 'aborted'],
};

const BUTTONS = [
  ['pause', 'Pause', ['applying', 'observing'], ''],
  ['resume', 'Resume', ['paused'], 'primary'],
  ['promote', 'Promote', ['waiting', 'applying', 'observing', 'paused', 'rolled-back', 'aborted'], ''],
  ['abort', 'Abort', ['waiting', 'applying', 'observing', 'paused', 'promoted'], 'danger'],
  ['restart', 'Start again', ['promoted', 'rolled-back', 'aborted'], ''],
] as const;

/** Releases that get their traffic step by step, with buttons for those who are logged in. */
export function canariesPage(
  { canaries, leftOut }: CanariesView,
  nowMs: number,
  isLoggedIn: boolean,
  problem: string,
): Child {
  return [
    h(
      'div',
      { class: 'page-head', 'data-key': 'head' },
      h('h1', {}, 'Canaries'),
      h('p', { class: 'lead' }, leadText(canaries)),
      problem === '' ? null : h('p', { class: 'bad-text', role: 'alert' }, problem),
    ),
    ...canaries.map((canary) => card(canary, nowMs, isLoggedIn)),
    leftOut === 0 ? null : h('p', { class: 'muted' }, `${leftOut} more are not shown.`),
  ];
}

function leadText(canaries: readonly CanaryView[]): string {
  if (canaries.length === 0) {
    return 'There is none. A resource of kind Canary leads a new version through its steps.';
  }
  const moving = canaries.filter(({ phase }) => ['applying', 'observing', 'paused'].includes(phase)).length;
  return `${moving} under way, ${canaries.length} in all.`;
}

function card(canary: CanaryView, nowMs: number, isLoggedIn: boolean): HTMLElement {
  const { phase, service, host } = canary;
  const key = `${canary.namespace}/${canary.name}`;
  const [health, words] = PHASES[phase];
  return h(
    'section',
    { class: `panel canary ${phase}`, 'data-key': key, 'data-canary': key, 'data-phase': phase },
    h(
      'div',
      { class: 'panel-head' },
      h('h2', {}, canary.name),
      h('span', { class: `phase ${phase}` }, sign(health), words),
      h(
        'span',
        { class: 'muted' },
        service === null ? host : h('a', { href: servicePath(service) }, host),
        ` · run ${canary.run} · since ${agoText(nowMs - canary.runSinceMs)}`,
      ),
      h(
        'div',
        { class: 'canary-buttons' },
        ...BUTTONS.filter(([, , phases]) => (phases as readonly string[]).includes(phase)).map(
          ([command, title, , kind]) =>
            h(
              'button',
              {
                type: 'button',
                class: kind,
                'data-key': command,
                'data-action': 'canary',
                'data-canary-path': `${encodeURIComponent(canary.namespace)}/${encodeURIComponent(canary.name)}/${command}`,
                title: isLoggedIn ? null : 'Log in to do this',
                disabled: !isLoggedIn,
              },
              title,
            ),
        ),
      ),
    ),
    steps(canary),
    h('p', { class: 'canary-reason' }, canary.reason),
    h(
      'div',
      { class: 'canary-columns' },
      h(
        'div',
        {},
        h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              h('th', { scope: 'col' }, 'In this step'),
              ...['Share', 'Calls', 'Failed', 'Success', `p${canary.quantile}`].map((title) =>
                h('th', { scope: 'col', class: 'number' }, title),
              ),
            ),
          ),
          h(
            'tbody',
            {},
            row('Canary', canary.canary, canary.observedShare),
            row('Stable', canary.stable, canary.observedShare === null ? null : 1 - canary.observedShare),
          ),
        ),
        h('p', { class: 'muted small' }, `Bounds: ${canary.bounds.join('; ')}.`),
      ),
      h(
        'ol',
        { class: 'events', 'aria-label': 'What happened' },
        ...canary.events
          .slice(-8)
          .reverse()
          .map(({ atMs, weight, text }) =>
            h(
              'li',
              { 'data-key': `${atMs} ${text}` },
              h(
                'time',
                { datetime: new Date(atMs).toISOString() },
                new Date(atMs).toLocaleTimeString('en-GB'),
              ),
              h('span', { class: 'event-weight' }, `${weight} %`),
              h('span', {}, text),
            ),
          ),
      ),
    ),
  );
}

function steps({
  steps: weights,
  step,
  phase,
  weight,
  canary,
  minRequests,
  countedMs,
  intervalMs,
}: CanaryView): HTMLElement {
  const isMoving = phase === 'applying' || phase === 'observing' || phase === 'paused';
  const done = phase === 'promoted' ? weights.length : isMoving ? step - 1 : 0;
  const progress =
    phase === 'observing'
      ? Math.min(1, canary.requests / minRequests, intervalMs === 0 ? 1 : countedMs / intervalMs)
      : 0;
  return h(
    'div',
    {
      class: 'steps',
      role: 'progressbar',
      'aria-valuemin': 0,
      'aria-valuemax': 100,
      'aria-valuenow': weight,
      'aria-valuetext': `${weight} % of the calls, step ${step} of ${weights.length}, ${phase}`,
    },
    ...weights.map((of, i) => {
      const state = i < done ? 'done' : isMoving && i === step - 1 ? 'now' : 'open';
      return h(
        'div',
        { class: `step ${state}`, 'data-key': String(i) },
        h('span', { class: 'step-weight' }, `${of} %`),
        h('progress', {
          max: 1,
          value: state === 'done' ? 1 : state === 'now' ? progress.toFixed(3) : 0,
          'aria-hidden': 'true',
        }),
      );
    }),
    h(
      'div',
      { class: `step last ${phase === 'promoted' ? 'done' : 'open'}`, 'data-key': 'all' },
      h('span', { class: 'step-weight' }, 'all'),
      h('progress', { max: 1, value: phase === 'promoted' ? 1 : 0, 'aria-hidden': 'true' }),
    ),
  );
}

function row(title: string, figures: CanaryVersionFigures, share: number | null): HTMLElement {
  return h(
    'tr',
    {},
    h('td', {}, `${title} `, h('span', { class: 'muted' }, figures.name)),
    h('td', { class: 'number' }, percentText(share)),
    h('td', { class: 'number' }, countText(figures.requests)),
    h('td', { class: figures.failed > 0 ? 'number bad-text' : 'number' }, countText(figures.failed)),
    h('td', { class: 'number' }, percentText(figures.successRatio)),
    h('td', { class: 'number' }, durationText(figures.quantileMs)),
  );
}
