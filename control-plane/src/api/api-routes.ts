import { envoy, toJson, typeUrls } from '@heddle/xds-protos';
import type { Registry } from 'prom-client';
import type { CertificateAuthority } from '../ca/certificate-authority.js';
import type { MeshState } from '../mesh-state.js';
import type { MeshResource } from '../model/mesh-resource.js';
import type { SecretSpec } from '../model/specs/services.js';
import type { SourceProblem } from '../model/source-problem.js';
import type { ProxySnapshot } from '../snapshot/encoded-resource.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import type { ProxyView } from '../translate/proxy-view.js';
import type { ProxyStatus } from '../xds-server/ads-service.js';
import { problem } from './api-server.js';
import type { ApiRoute, ApiResponse } from './api-route.js';
import type { AppliedResources } from './applied-resources.js';
import { createCaRoutes } from './ca-routes.js';
import { createDashboardRoutes } from './dashboard-files.js';
import { createTrafficRoutes } from './dashboard-routes.js';
import { problemView, type DashboardSources } from './dashboard-views.js';
import type { LiveStream } from './live-stream.js';
import { readableYaml } from './readable-resource.js';
import { createDistributionRoute } from './distribution-route.js';
import { createExplainRoute } from './explain-route.js';
import { openApiDocument } from './open-api.js';

/** What the API shows. Everything is read at the moment of the request. */
export interface ApiSources {
  readonly version: string;
  /** Wall clock, ms. */
  readonly startedAtMs: number;
  readonly state: () => MeshState;
  readonly proxies: () => readonly ProxyStatus<ProxyView>[];
  readonly preview: (view: ProxyView) => ProxySnapshot;
  readonly metrics: Registry;
  /** undefined: heddled is no certificate authority. */
  readonly ca: CertificateAuthority | undefined;
  /** undefined: nothing can be written. */
  readonly applied: AppliedResources | undefined;
  readonly dashboard: DashboardSources;
  readonly live: LiveStream;
}

const CONFIG_TYPES: Readonly<Record<string, { readonly typeUrl: string; readonly type: string }>> = {
  clusters: { typeUrl: typeUrls.cluster, type: 'envoy.config.cluster.v3.Cluster' },
  endpoints: {
    typeUrl: typeUrls.clusterLoadAssignment,
    type: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  },
  listeners: { typeUrl: typeUrls.listener, type: 'envoy.config.listener.v3.Listener' },
  routes: { typeUrl: typeUrls.routeConfiguration, type: 'envoy.config.route.v3.RouteConfiguration' },
  secrets: { typeUrl: typeUrls.secret, type: 'envoy.extensions.transport_sockets.tls.v3.Secret' },
};

/** Every endpoint of the API, in the order in which OpenAPI lists them. */
export function createApiRoutes(sources: ApiSources): readonly ApiRoute[] {
  const routes: ApiRoute[] = [
    {
      method: 'GET',
      path: '/api/v1/status',
      summary: 'Version, and how much there is of everything.',
      writes: false,
      handle: () => ok(statusOf(sources)),
    },
    {
      method: 'GET',
      path: '/api/v1/proxies',
      summary: 'Connected proxies, and how far each has come with its configuration.',
      writes: false,
      handle: () => ok({ proxies: sources.proxies().map(describeProxy) }),
    },
    {
      method: 'GET',
      path: '/api/v1/proxies/{id}',
      summary: 'One connected proxy by its node id.',
      writes: false,
      handle: ({ parameters }) => withProxy(sources, parameters['id'], (proxy) => ok(describeProxy(proxy))),
    },
    {
      method: 'GET',
      path: '/api/v1/proxies/{id}/config',
      summary: 'What the control plane serves to a proxy, as Envoy prints it.',
      query: { type: `one of ${Object.keys(CONFIG_TYPES).join(', ')}; all when absent` },
      writes: false,
      handle: ({ parameters, query }) =>
        withProxy(sources, parameters['id'], (proxy) => proxyConfig(sources, proxy, query.get('type'))),
    },
    {
      method: 'GET',
      path: '/api/v1/convergence',
      summary: 'Whether every connected proxy has acknowledged everything that it was sent.',
      writes: false,
      handle: () => ok(convergence(sources)),
    },
    {
      method: 'GET',
      path: '/api/v1/services',
      summary: 'Services of the mesh with their ports and endpoints.',
      writes: false,
      handle: () =>
        ok({
          services: [...sources.state().model.services.values()].map(
            ({ hostname, namespace, name, kind, ports, resolution, endpoints }) => ({
              hostname,
              namespace,
              name,
              kind,
              ports,
              resolution,
              endpoints,
            }),
          ),
        }),
    },
    {
      method: 'GET',
      path: '/api/v1/resources',
      summary: 'Resources in force, and where each comes from.',
      writes: false,
      handle: () =>
        ok({
          resources: [...sources.state().resources.values()].map(
            ({ kind, apiVersion, namespace, name, origin: { file, line } }) => ({
              kind,
              apiVersion,
              namespace,
              name,
              file,
              line,
            }),
          ),
        }),
    },
    {
      method: 'GET',
      path: '/api/v1/resources/{kind}/{namespace}/{name}',
      summary: 'One resource in force.',
      writes: false,
      handle: ({ parameters }) => {
        const key = `${parameters['kind']}/${parameters['namespace']}/${parameters['name']}`;
        const resource = sources.state().resources.get(key);
        if (resource === undefined) return problem(404, `no resource ${key} is in force`);
        const { apiVersion, kind, namespace, name, labels, origin } = resource;
        return ok({
          apiVersion,
          kind,
          metadata: { namespace, name, labels },
          ...contentOf(resource),
          origin: { file: origin.file, line: origin.line },
        });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/resources/{kind}/{namespace}/{name}/yaml',
      summary: 'One resource in force as YAML for people, and what is wrong with it by line.',
      writes: false,
      handle: ({ parameters }) => {
        const key = `${parameters['kind']}/${parameters['namespace']}/${parameters['name']}`;
        const { resources, problems } = sources.state();
        const resource = resources.get(key);
        if (resource === undefined) return problem(404, `no resource ${key} is in force`);
        const { apiVersion, kind, namespace, name, labels, annotations, origin } = resource;
        const metadata = {
          ...{ name, namespace },
          ...(Object.keys(labels).length === 0 ? {} : { labels }),
          ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
        };
        const written = { apiVersion, kind: kind === 'KubernetesGateway' ? 'Gateway' : kind, metadata };
        const own = problems.filter(({ resource: about }) => about !== undefined && keyOf(about) === key);
        return ok({
          ...{ kind, namespace, name, file: origin.file, line: origin.line },
          ...readableYaml({ ...written, ...contentOf(resource) }, own.map(problemView)),
        });
      },
    },
    {
      method: 'PUT',
      path: '/api/v1/resources/{kind}/{namespace}/{name}',
      summary: 'Writes one resource; in force when the answer comes.',
      bodyDescription: 'The resource as YAML or JSON.',
      writes: true,
      handle: async ({ parameters, body }) => {
        if (sources.applied === undefined)
          return problem(409, 'heddled runs without a folder for applied resources');
        const { kind = '', namespace = '', name = '' } = parameters;
        const outcome = await sources.applied.put(kind, namespace, name, body);
        return outcome.ok
          ? ok({ applied: true, warnings: outcome.warnings.map(describeProblem) })
          : { status: 422, body: { applied: false, problems: outcome.problems.map(describeProblem) } };
      },
    },
    {
      method: 'DELETE',
      path: '/api/v1/resources/{kind}/{namespace}/{name}',
      summary: 'Removes one resource that was written through the API.',
      writes: true,
      handle: async ({ parameters }) => {
        const { kind = '', namespace = '', name = '' } = parameters;
        const removed = (await sources.applied?.delete(kind, namespace, name)) ?? false;
        return removed
          ? ok({ removed: true })
          : problem(404, `${kind} ${namespace}/${name} was not written through the API`);
      },
    },
    {
      method: 'GET',
      path: '/api/v1/problems',
      summary: 'Every mistake in the sources now, errors first.',
      writes: false,
      handle: () => ok({ problems: sources.state().problems.map(describeProblem) }),
    },
    {
      method: 'POST',
      path: '/api/v1/validate',
      summary: 'Checks resources without changing anything.',
      bodyDescription: 'Resources as YAML or JSON.',
      writes: false,
      handle: ({ body }) => {
        const { resources, problems } = parseMeshFile(body, 'request body');
        return ok({
          valid: problems.every(({ severity }) => severity !== 'error'),
          resources: resources.map(({ kind, namespace, name }) => ({ kind, namespace, name })),
          problems: problems.map(describeProblem),
        });
      },
    },
    createDistributionRoute(sources),
    createExplainRoute({ ...sources, nowMs: sources.dashboard.nowMs }),
    ...createCaRoutes(sources.ca),
    ...createTrafficRoutes(sources.dashboard, sources.live),
    ...createDashboardRoutes(),
    {
      method: 'GET',
      path: '/metrics',
      summary: "heddled's own metrics, for Prometheus.",
      writes: false,
      handle: async () => ({
        status: 200,
        body: await sources.metrics.metrics(),
        contentType: sources.metrics.contentType,
      }),
    },
    {
      method: 'GET',
      path: '/openapi.json',
      summary: 'This description.',
      writes: false,
      handle: () => ok(openApiDocument(routes, sources.version)),
    },
  ];
  return routes;
}

function ok(body: unknown): ApiResponse {
  return { status: 200, body };
}

/** What a Secret holds is named and never shown. */
function contentOf(resource: MeshResource): object {
  if (resource.kind !== 'Secret') return { spec: resource.spec };
  const { type, data } = resource.spec as SecretSpec;
  return { type, data: Object.fromEntries(Object.keys(data).map((name) => [name, REDACTED])) };
}

const REDACTED = '[redacted]';

function keyOf({ kind, namespace, name }: NonNullable<SourceProblem['resource']>): string {
  return `${kind}/${namespace}/${name}`;
}

function statusOf(sources: ApiSources): unknown {
  const state = sources.state();
  return {
    version: sources.version,
    startedAt: new Date(sources.startedAtMs).toISOString(),
    revision: state.revision,
    resources: state.resources.size,
    services: state.model.services.size,
    proxies: sources.proxies().length,
    errors: state.problems.filter(({ severity }) => severity === 'error').length,
    warnings: state.problems.filter(({ severity }) => severity === 'warning').length,
  };
}

function convergence(sources: ApiSources): unknown {
  const waiting: { readonly id: string; readonly typeUrl: string; readonly state: string }[] = [];
  const proxies = sources.proxies();
  for (const proxy of proxies) {
    for (const { typeUrl, state } of proxy.types) {
      if (state !== 'synced' && state !== 'never-sent') waiting.push({ id: proxy.nodeId, typeUrl, state });
    }
  }
  return {
    revision: sources.state().revision,
    converged: waiting.length === 0,
    proxies: proxies.length,
    waiting,
  };
}

function describeProxy(proxy: ProxyStatus<ProxyView>): unknown {
  return {
    id: proxy.nodeId,
    role: proxy.view.role,
    namespace: proxy.view.namespace,
    workload: proxy.view.workloadName,
    labels: proxy.view.labels,
    version: proxy.userAgent,
    protocol: proxy.variant,
    peer: proxy.peer,
    ...(proxy.adminAddress === undefined
      ? {}
      : { admin: `${proxy.adminAddress.host}:${proxy.adminAddress.port}` }),
    ...(proxy.caller === undefined
      ? {}
      : {
          identity: proxy.caller.identity.uri,
          provenBy: proxy.caller.by,
          provenUntil: new Date(proxy.caller.provenUntilMs).toISOString(),
        }),
    connectedAt: new Date(proxy.connectedAtMs).toISOString(),
    types: proxy.types.map(({ nack, ...type }) => ({
      ...type,
      ...(nack === undefined ? {} : { nack: nack.message, nackedAt: new Date(nack.atMs).toISOString() }),
    })),
  };
}

function describeProblem(found: SourceProblem): unknown {
  const { severity, file, line, column, resource, field, message, expected, suggestion } = found;
  return { severity, file, line, column, resource, field, message, expected, suggestion };
}

function withProxy(
  sources: ApiSources,
  id: string | undefined,
  show: (proxy: ProxyStatus<ProxyView>) => ApiResponse,
): ApiResponse {
  const proxy = sources.proxies().findLast(({ nodeId }) => nodeId === id);
  return proxy === undefined ? problem(404, `no proxy ${JSON.stringify(id)} is connected`) : show(proxy);
}

function proxyConfig(sources: ApiSources, proxy: ProxyStatus<ProxyView>, wanted: string | null): ApiResponse {
  if (wanted !== null && !Object.hasOwn(CONFIG_TYPES, wanted)) {
    return problem(400, `type must be one of ${Object.keys(CONFIG_TYPES).join(', ')}`);
  }
  const snapshot = sources.preview(proxy.view);
  const config: Record<string, unknown> = {};
  for (const [name, { typeUrl, type }] of Object.entries(CONFIG_TYPES)) {
    if (wanted !== null && wanted !== name) continue;
    config[name] = [...(snapshot.resources.get(typeUrl)?.values() ?? [])].map((resource) => ({
      name: resource.name,
      version: resource.version,
      resource: toJson(type, decode(typeUrl, resource.value)),
    }));
  }
  return ok(config);
}

function decode(typeUrl: string, value: Uint8Array): object {
  if (typeUrl === typeUrls.cluster) return envoy.config.cluster.v3.Cluster.decode(value);
  if (typeUrl === typeUrls.clusterLoadAssignment)
    return envoy.config.endpoint.v3.ClusterLoadAssignment.decode(value);
  if (typeUrl === typeUrls.listener) return envoy.config.listener.v3.Listener.decode(value);
  if (typeUrl === typeUrls.secret) {
    const secret = envoy.extensions.transport_sockets.tls.v3.Secret.decode(value);
    const key = secret.tlsCertificate?.privateKey;
    // As Envoy's own config_dump does it.
    if (key != null) key.inlineBytes = Buffer.from(REDACTED);
    return secret;
  }
  return envoy.config.route.v3.RouteConfiguration.decode(value);
}
