import { explainMesh, type RequestToExplain } from '../explain/explain-mesh.js';
import { parseRequestUrl } from '../explain/request-url.js';
import type { MeshState } from '../mesh-state.js';
import type { ProxySnapshot } from '../snapshot/encoded-resource.js';
import type { ProxyView } from '../translate/proxy-view.js';
import type { ProxyStatus } from '../xds-server/ads-service.js';
import type { ApiResponse, ApiRoute } from './api-route.js';
import { problem } from './api-server.js';

/** What explaining a request of the running mesh needs. */
export interface ExplainSources {
  readonly state: () => MeshState;
  readonly proxies: () => readonly ProxyStatus<ProxyView>[];
  readonly preview: (view: ProxyView) => ProxySnapshot;
  /** Wall clock, ms. */
  readonly nowMs: () => number;
}

const MOST_HEADERS = 100;

/** What the mesh would do with a request, by what its connected proxies are served. */
export function createExplainRoute({ state, proxies, preview, nowMs }: ExplainSources): ApiRoute {
  return {
    method: 'POST',
    path: '/api/v1/explain',
    summary: 'What the mesh would do with a request, and why.',
    bodyDescription:
      'JSON: from (NAMESPACE/WORKLOAD), url, and if need be method, headers ([[name, value], …]) and via (port or http-proxy).',
    writes: false,
    handle: ({ body }) => {
      const request = readRequest(body);
      if (typeof request === 'string') return problem(400, request);
      const explanation = explainMesh(
        {
          model: state().model,
          resources: state().resources,
          proxyOf: (namespace, workload) => {
            const found = proxies().findLast(
              ({ view }) => view.namespace === namespace && view.workloadName === workload,
            );
            return (
              found && {
                view: found.view,
                resources: () =>
                  [...preview(found.view).resources.values()].flatMap((byName) => [...byName.values()]),
              }
            );
          },
          nowMs: nowMs(),
        },
        request,
      );
      return 'problem' in explanation ? problem(404, explanation.problem) : ok(explanation);
    },
  };
}

function ok(body: unknown): ApiResponse {
  return { status: 200, body };
}

/** The request, or why it is none. */
function readRequest(body: string): RequestToExplain | string {
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return 'the body is not JSON';
  }
  const { from, url, method = 'GET', headers = [], via } = (given ?? {}) as Record<string, unknown>;
  const [, namespace = '', workload = ''] = /^([^/]+)\/([^/]+)$/.exec(String(from)) ?? [];
  if (workload === '') return 'from: expected NAMESPACE/WORKLOAD';
  const parsed = typeof url === 'string' ? parseRequestUrl(url) : undefined;
  if (parsed === undefined) return 'url: expected a URL, as http://reviews:9080/';
  if (typeof method !== 'string' || !/^[A-Z]{1,20}$/.test(method)) return 'method: expected one, as GET';
  if (via !== undefined && via !== 'port' && via !== 'http-proxy') return 'via: expected port or http-proxy';
  const isField = (one: unknown): one is readonly [string, string] =>
    Array.isArray(one) && one.length === 2 && one.every((text) => typeof text === 'string');
  if (!Array.isArray(headers) || headers.length > MOST_HEADERS || !headers.every(isField))
    return `headers: expected at most ${MOST_HEADERS} of [name, value]`;
  return {
    from: { namespace, workload },
    method,
    url: parsed,
    headers,
    ...(via === undefined ? {} : { via }),
  };
}
