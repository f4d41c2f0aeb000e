import type { MeshGraph } from '../traffic/mesh-graph.js';
import { problem } from './api-server.js';
import type { ApiRoute } from './api-route.js';
import { CANARY_COMMANDS } from '../canary/decide.js';
import {
  canariesView,
  graphOf,
  proxiesView,
  resourcesView,
  serviceView,
  statusView,
  type DashboardSources,
} from './dashboard-views.js';
import type { LiveStream } from './live-stream.js';

/** Makes the views that pages look at by their keys; figures of one moment are added up once. */
export function dashboardViews(sources: DashboardSources): (key: string) => unknown {
  let graph: MeshGraph | undefined;
  const once = (): MeshGraph => (graph ??= graphOf(sources));
  return (key) => {
    if (key.startsWith(SERVICE)) return serviceView(sources, once(), key.slice(SERVICE.length));
    switch (key) {
      case 'status':
        return statusView(sources);
      case 'graph':
        return once().view();
      case 'resources':
        return resourcesView(sources);
      case 'canaries':
        return canariesView(sources);
      case 'proxies':
        return proxiesView(sources);
      default:
        return undefined;
    }
  };
}

const SERVICE = 'service:';
const VIEWS = ['graph', 'canaries', 'resources', 'proxies', 'service'] as const;
const LONGEST_ID = 600;

/** The endpoints that the dashboard is made from. */
export function createTrafficRoutes(sources: DashboardSources, live: LiveStream): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/live',
      summary: 'What the dashboard shows, and every change of it, as server-sent events.',
      query: {
        view: `one of ${VIEWS.join(', ')}; the event "status" comes always`,
        id: 'with service: which one, NAMESPACE/NAME',
      },
      writes: false,
      handle: ({ query }) => {
        const view = query.get('view') ?? 'graph';
        const id = query.get('id') ?? '';
        if (!(VIEWS as readonly string[]).includes(view)) {
          return problem(400, `view must be one of ${VIEWS.join(', ')}`);
        }
        if (id.length > LONGEST_ID) return problem(400, 'id is too long');
        const views = new Map([
          ['status', 'status'],
          [view, view === 'service' ? `${SERVICE}${id}` : view],
        ]);
        return live.open(views, dashboardViews(sources));
      },
    },
    {
      method: 'GET',
      path: '/api/v1/graph',
      summary: 'Who calls whom now: rates, successes and durations, and how it is secured.',
      writes: false,
      handle: () => ({ status: 200, body: graphOf(sources).view() }),
    },
    {
      method: 'GET',
      path: '/api/v1/services/{namespace}/{name}/traffic',
      summary: 'The golden signals of a service by version, over time, and who calls it.',
      writes: false,
      handle: ({ parameters }) => {
        const id = `${parameters['namespace']}/${parameters['name']}`;
        const view = serviceView(sources, graphOf(sources), id);
        return view === undefined ? problem(404, `there is no service ${id}`) : { status: 200, body: view };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/canaries',
      summary: 'Every canary: where it is and why, its weights, and what was counted in its step.',
      writes: false,
      handle: () => ({ status: 200, body: canariesView(sources) }),
    },
    {
      method: 'POST',
      path: '/api/v1/canaries/{namespace}/{name}/{command}',
      summary: `Tells a canary to ${CANARY_COMMANDS.join(', ')}.`,
      writes: true,
      handle: ({ parameters }) => {
        const said = CANARY_COMMANDS.find((known) => known === parameters['command']);
        if (said === undefined) return problem(404, `a canary knows ${CANARY_COMMANDS.join(', ')}`);
        const key = `${parameters['namespace']}/${parameters['name']}`;
        const { canaries, state } = sources;
        if (!state().model.canaries.some((canary) => canary.key === key)) {
          return problem(404, `there is no canary ${key}`);
        }
        const refusal = canaries.command(key, said);
        if (refusal !== undefined) return problem(409, refusal);
        live.publish(dashboardViews(sources));
        return {
          status: 200,
          body: canariesView(sources).canaries.find(({ namespace, name }) => `${namespace}/${name}` === key),
        };
      },
    },
    {
      method: 'GET',
      path: '/api/v1/login',
      summary: 'Whether the token that came along is the one that writes need.',
      writes: true,
      handle: () => ({ status: 200, body: { loggedIn: true } }),
    },
  ];
}
