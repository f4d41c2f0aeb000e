import type {
  CanariesView,
  GraphView,
  ProxiesView,
  ResourcesView,
  ServiceView,
  StatusView,
} from '@heddle/control-plane/dashboard-api';
import { canariesPage } from './canaries-page.js';
import { h, update, type Child } from './element.js';
import { GraphPage } from './graph-page.js';
import { Live } from './live.js';
import { LoginDialog } from './login-dialog.js';
import { placeOf, type Place } from './paths.js';
import { proxiesPage } from './proxies-page.js';
import { resourcesPage, type ReadableResource } from './resources-page.js';
import { servicePage, type Range } from './service-page.js';
import { Session } from './session.js';
import { Theme } from './theme.js';

/** The program of the dashboard: which page is shown, what is known for it, and what a person does. */
class Dashboard {
  readonly #session = new Session();
  readonly #theme = new Theme();
  readonly #login = new LoginDialog(this.#session, () => this.#render());
  readonly #live = new Live((isConnected) => {
    this.#isConnected = isConnected;
    this.#render();
  });
  readonly #graphPage = new GraphPage();
  #place: Place = placeOf(location.hash);
  #isConnected = false;
  #status: StatusView | undefined;
  /** What the page that is shown was last told; undefined: nothing yet. */
  #data: unknown;
  #range: Range = 'recent';
  #search = '';
  /** Why the last command was refused. */
  #problem = '';
  #opened: ReadableResource | 'loading' | 'absent' | undefined;

  async start(): Promise<void> {
    await this.#session.takeFromAddress().catch(() => undefined);
    addEventListener('hashchange', () => this.#go());
    document.addEventListener('click', (event) => this.#onClick(event));
    document.addEventListener('input', (event) => this.#onInput(event));
    this.#go();
  }

  #go(): void {
    const before = this.#place;
    this.#place = placeOf(location.hash);
    const { page, parts } = this.#place;
    if (before.page !== page || page === 'service' || this.#data === undefined) {
      this.#data = undefined;
      scrollTo(0, 0);
      this.#live.follow(page === 'service' ? { view: page, id: parts[0] ?? '' } : { view: page }, {
        status: (status: StatusView) => {
          this.#status = status;
          this.#render();
        },
        [page]: (data: unknown) => {
          this.#data = data;
          this.#render();
          if (page === 'resources') void this.#open();
        },
      });
    }
    if (page === 'resources') {
      this.#opened = parts.length === 3 ? 'loading' : undefined;
      void this.#open();
    }
    this.#render();
  }

  async #open(): Promise<void> {
    const { page, parts } = this.#place;
    if (page !== 'resources' || parts.length !== 3) return;
    const path = parts.map(encodeURIComponent).join('/');
    const answer = await fetch(`/api/v1/resources/${path}/yaml`).catch(() => undefined);
    if (answer === undefined || this.#place.parts !== parts) return;
    this.#opened = answer.ok ? ((await answer.json()) as ReadableResource) : 'absent';
    this.#render();
  }

  async #command(path: string): Promise<void> {
    this.#problem = '';
    try {
      await this.#session.post(`/api/v1/canaries/${path}`);
    } catch (cause) {
      this.#problem = cause instanceof Error ? cause.message : String(cause);
    }
    this.#render();
  }

  #onClick(event: Event): void {
    const target = (event.target as Element | null)?.closest('[data-action]');
    const action = target?.getAttribute('data-action');
    if (action === 'theme') this.#theme.next();
    else if (action === 'login') this.#login.show();
    else if (action === 'logout') this.#session.logOut();
    else if (action === 'canary') void this.#command(target?.getAttribute('data-canary-path') ?? '');
    else if (action === 'range-recent' || action === 'range-long')
      this.#range = action === 'range-recent' ? 'recent' : 'long';
    else return;
    this.#render();
  }

  #onInput(event: Event): void {
    const input = event.target as HTMLInputElement;
    if (input.getAttribute('data-action') !== 'search') return;
    this.#search = input.value;
    this.#render();
  }

  #render(): void {
    const header = document.querySelector('header');
    const main = document.querySelector('main');
    if (header === null || main === null) return;
    update(header, this.#header());
    update(main, this.#page());
    document.title = `${titleOf(this.#place)} · Heddle`;
  }

  #page(): Child {
    if (this.#data === undefined)
      return h('p', { class: 'waiting', 'data-key': 'waiting' }, 'Waiting for heddled …');
    const { page, parts } = this.#place;
    switch (page) {
      case 'graph':
        return this.#graphPage.render(this.#data as GraphView);
      case 'service':
        return servicePage(this.#data as ServiceView | null, parts[0] ?? '', this.#range);
      case 'resources':
        return resourcesPage(this.#data as ResourcesView, parts, this.#opened, this.#search);
      case 'canaries':
        return canariesPage(
          this.#data as CanariesView,
          this.#status?.nowMs ?? Date.now(),
          this.#session.isLoggedIn,
          this.#problem,
        );
      case 'proxies':
        return proxiesPage(this.#data as ProxiesView, this.#status?.nowMs ?? Date.now());
    }
  }

  #header(): Child {
    const status = this.#status;
    const page = this.#place.page === 'service' ? 'graph' : this.#place.page;
    const link = (target: string, name: string, badge: Child = null): HTMLElement =>
      h('a', { href: `#/${target}`, 'aria-current': target === page && 'page' }, name, badge);
    const errors = status?.errors ?? 0;
    const warnings = status?.warnings ?? 0;
    return [
      h(
        'a',
        { class: 'brand', href: '#/graph', 'data-key': 'brand' },
        h('img', { src: '/dashboard/heddle.svg', alt: '', width: 26, height: 26 }),
        'Heddle',
      ),
      h(
        'nav',
        { 'aria-label': 'Pages', 'data-key': 'nav' },
        link('graph', 'Graph'),
        link(
          'canaries',
          'Canaries',
          (status?.canaries ?? 0) === 0
            ? null
            : h('span', { class: 'badge', title: 'under way' }, String(status?.canaries)),
        ),
        link(
          'resources',
          'Resources',
          errors + warnings === 0
            ? null
            : h(
                'span',
                {
                  class: errors > 0 ? 'badge bad' : 'badge warning',
                  title: `${errors} errors, ${warnings} warnings`,
                },
                String(errors + warnings),
              ),
        ),
        link(
          'proxies',
          'Proxies',
          (status?.outOfSync ?? 0) === 0
            ? null
            : h('span', { class: 'badge warning', title: 'not in sync' }, String(status?.outOfSync)),
        ),
      ),
      h(
        'div',
        { class: 'header-end', 'data-key': 'end' },
        h(
          'span',
          { class: this.#isConnected ? 'live on' : 'live', role: 'status' },
          this.#isConnected ? 'live' : 'heddled does not answer',
        ),
        h(
          'button',
          { type: 'button', 'data-action': 'theme', title: 'Light, dark, or as the system' },
          this.#theme.name,
        ),
        this.#session.isLoggedIn
          ? h('button', { type: 'button', 'data-action': 'logout' }, 'Log out')
          : h('button', { type: 'button', 'data-action': 'login' }, 'Log in'),
      ),
    ];
  }
}

function titleOf({ page, parts }: Place): string {
  switch (page) {
    case 'graph':
      return 'Service graph';
    case 'service':
      return parts[0] ?? 'Service';
    case 'resources':
      return 'Resources';
    case 'canaries':
      return 'Canaries';
    case 'proxies':
      return 'Proxies';
  }
}

void new Dashboard().start();
