import type { CanaryController } from '../canary/canary-controller.js';
import { isOver } from '../canary/canary-state.js';
import { canaryView } from '../canary/canary-view.js';
import type {
  CanariesView,
  EndpointView,
  GraphNode,
  ProblemView,
  ProxiesView,
  ProxyView as ProxyOnPage,
  ResourceSummary,
  ResourcesView,
  ServiceView,
  StatusView,
  TroubleView,
} from '../dashboard-api.js';
import type { MeshState } from '../mesh-state.js';
import type { Service } from '../model/mesh-model.js';
import type { MeshResource } from '../model/mesh-resource.js';
import type { SourceProblem } from '../model/source-problem.js';
import { historyView } from '../traffic/figures.js';
import { MeshGraph } from '../traffic/mesh-graph.js';
import type { MetricsCollector } from '../traffic/metrics-collector.js';
import type { CallRecord, TrafficStore } from '../traffic/traffic-store.js';
import type { ProxyView } from '../translate/proxy-view.js';
import type { ProxyStatus } from '../xds-server/ads-service.js';

/** What the dashboard's pages are made from. Everything is read at the moment of asking. */
export interface DashboardSources {
  readonly version: string;
  readonly state: () => MeshState;
  readonly proxies: () => readonly ProxyStatus<ProxyView>[];
  readonly traffic: TrafficStore;
  readonly collector: MetricsCollector;
  readonly canaries: CanaryController;
  /** Wall clock, ms. */
  readonly nowMs: () => number;
}

/** Lists on a page end there, and say how much was left out. */
const MAX_LISTED = 2_000;
const MAX_PROBLEMS = 500;
const MAX_CANARIES = 200;

export function statusView({ version, state, proxies, canaries, nowMs }: DashboardSources): StatusView {
  const { revision, model, resources, problems } = state();
  const connected = proxies();
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return {
    version,
    revision,
    nowMs: nowMs(),
    services: model.services.size,
    proxies: connected.length,
    outOfSync: connected.filter((proxy) => stateOf(proxy) !== 'synced').length,
    canaries: canaries.list().filter((canary) => !isOver(canary.state)).length,
    resources: resources.size,
    errors,
    warnings: problems.length - errors,
  };
}

export function canariesView({ canaries, state }: DashboardSources): CanariesView {
  const all = canaries.list();
  const { model } = state();
  return {
    canaries: all.slice(0, MAX_CANARIES).map((canary) => canaryView(canary, model)),
    leftOut: Math.max(0, all.length - MAX_CANARIES),
  };
}

export function graphOf({ state, traffic, nowMs }: DashboardSources): MeshGraph {
  return new MeshGraph(state().model, traffic.records, nowMs());
}

/** undefined: there is no such service, and nothing calls one. */
export function serviceView(
  sources: DashboardSources,
  graph: MeshGraph,
  id: string,
): ServiceView | undefined {
  const node = graph.node(id);
  if (node === undefined) return undefined;
  const { state, nowMs } = sources;
  const { model, resources, problems } = state();
  const service = [...model.services.values()].find(
    ({ namespace, name, hostname }) =>
      id === `${namespace}/${name}` || id === `${namespace}/${name}/${hostname}`,
  );
  const trouble = service === undefined ? [] : troubleOf(sources, service);
  return {
    node,
    host: service?.hostname ?? node.name,
    ports: (service?.ports ?? []).map(({ number, name, protocol }) => ({ number, name, protocol })),
    history: historyOf(node, graph.recordsTo(id), nowMs()),
    callers: graph.callersOf(id),
    callees: graph.calleesOf(id),
    endpoints: (service?.endpoints ?? []).slice(0, MAX_LISTED).map((endpoint): EndpointView => ({
      address: `${endpoint.address}:${Object.values(endpoint.ports)[0] ?? ''}`,
      workload: endpoint.workloadName,
      version: endpoint.labels['version'] ?? '',
      health: endpoint.health,
      mtls: endpoint.mtls,
    })),
    trouble,
    retries: trouble.reduce((sum, { retries }) => sum + retries, 0),
    resources: [...resources.values()]
      .filter((resource) => service !== undefined && isAbout(resource, service))
      .map((resource) => summaryOf(resource, problems)),
  };
}

export function resourcesView({ state }: DashboardSources): ResourcesView {
  const { resources, problems } = state();
  const listed = [...resources.values()].slice(0, MAX_LISTED);
  return {
    resources: listed.map((resource) => summaryOf(resource, problems)),
    problems: problems.slice(0, MAX_PROBLEMS).map(problemView),
    leftOut: resources.size - listed.length,
  };
}

export function proxiesView({ proxies, collector }: DashboardSources): ProxiesView {
  const all = proxies();
  const unread = collector.unread;
  return {
    proxies: all.slice(0, MAX_LISTED).map((proxy): ProxyOnPage => ({
      id: proxy.nodeId,
      name: nameOf(proxy),
      namespace: proxy.view.namespace,
      role: proxy.view.role,
      workload: proxy.view.workloadName,
      version: proxy.userAgent,
      protocol: proxy.variant,
      identity: proxy.caller?.identity.uri ?? null,
      connectedAtMs: proxy.connectedAtMs,
      state: stateOf(proxy),
      types: proxy.types.map(({ typeUrl, state, resources, nack }) => ({
        type: typeUrl.slice(typeUrl.lastIndexOf('.') + 1),
        state,
        resources,
        nack: nack?.message ?? null,
      })),
      unread: unread.get(proxy.nodeId) ?? null,
      measured: proxy.adminAddress !== undefined,
    })),
    leftOut: Math.max(0, all.length - MAX_LISTED),
  };
}

const WORST_FIRST = ['nacked', 'pending', 'sent'] as const;

/** How far a proxy is: the worst of its types; a type that it was never sent anything of does not count. */
function stateOf({ types }: ProxyStatus<ProxyView>): ProxyOnPage['state'] {
  return WORST_FIRST.find((state) => types.some((type) => type.state === state)) ?? 'synced';
}

/** `sidecar~IP~NAME.NAMESPACE~DOMAIN` */
function nameOf({ nodeId }: ProxyStatus<ProxyView>): string {
  return nodeId.split('~')[2] ?? nodeId;
}

function historyOf(
  { versions }: GraphNode,
  records: readonly CallRecord[],
  nowMs: number,
): ServiceView['history'] {
  return versions.slice(0, 8).map(({ workload, version }) => {
    const own = records.filter(({ key }) => key.destination.workload === workload);
    return {
      version: version === '' ? workload : version,
      recent: historyView(own, 'fine', nowMs),
      long: historyView(own, 'coarse', nowMs),
    };
  });
}

/** What proxies say of their clusters of this service. Source: cluster names `outbound|PORT|SUBSET|HOST`. */
function troubleOf({ proxies, collector }: DashboardSources, { hostname }: Service): readonly TroubleView[] {
  const trouble: TroubleView[] = [];
  for (const proxy of proxies()) {
    for (const [cluster, { retries, open, ejected }] of collector.clustersOf(proxy.nodeId)) {
      const [direction, port, subset = '', host] = cluster.split('|');
      if (direction !== 'outbound' || host !== hostname || trouble.length >= MAX_LISTED) continue;
      trouble.push({
        proxy: nameOf(proxy),
        port: Number(port),
        subset,
        retries,
        openBreakers: open,
        ejected,
      });
    }
  }
  return trouble;
}

/** Whether a resource names a service, by any of the names that it has. */
function isAbout(resource: MeshResource, { namespace, name, hostname, selector }: Service): boolean {
  if (resource.kind === 'Service' || resource.kind === 'ServiceEntry')
    return resource.namespace === namespace && resource.name === name;
  if (resource.kind === 'WorkloadEntry' || resource.kind === 'Secret') return false;
  if (resource.kind === 'Workload') {
    const { labels = {} } = resource.spec as { readonly labels?: Readonly<Record<string, string>> };
    return (
      selector !== undefined &&
      resource.namespace === namespace &&
      Object.entries(selector).every(([label, value]) => labels[label] === value)
    );
  }
  return namesHost(resource.spec, resource.namespace === namespace ? [name, hostname] : [hostname]);
}

const MAX_DEPTH = 12;

function namesHost(value: unknown, names: readonly string[], depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return false;
  for (const [field, inner] of Object.entries(value)) {
    if (field === 'host' && names.includes(String(inner))) return true;
    if (field === 'hosts' && Array.isArray(inner) && inner.some((host) => names.includes(String(host))))
      return true;
    if (namesHost(inner, names, depth + 1)) return true;
  }
  return false;
}

function summaryOf(resource: MeshResource, problems: readonly SourceProblem[]): ResourceSummary {
  const { kind, namespace, name, origin } = resource;
  const own = problems.filter(
    ({ resource: about }) => about?.kind === kind && about.namespace === namespace && about.name === name,
  );
  const errors = own.filter(({ severity }) => severity === 'error').length;
  return {
    kind,
    namespace,
    name,
    file: origin.file,
    line: origin.line,
    errors,
    warnings: own.length - errors,
  };
}

/** A problem, without the text of its line. */
export function problemView(found: SourceProblem): ProblemView {
  const { severity, file, line, column, resource, field, message, expected, suggestion } = found;
  return {
    ...{ severity, file, line, column, field, message },
    ...(resource === undefined
      ? {}
      : { resource: `${resource.kind}/${resource.namespace}/${resource.name}` }),
    ...(expected === undefined ? {} : { expected }),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}
