import type { envoy } from '@heddle/xds-protos';
import type { MeshModel, Service, TrafficPolicy } from '../model/mesh-model.js';
import type { ProxyResources } from './proxy-resources.js';
import { addSecrets, credentialRules, hasCredential } from './secrets.js';
import { spiffeId } from './mesh-tls.js';
import type { ProxyView } from './proxy-view.js';
import { ResourceSet } from './resource-set.js';
import { clustersOf } from './translate-cluster.js';
import { localityLabels } from './locality-preference.js';
import { translateEndpoints } from './translate-endpoints.js';
import { addGateway } from './translate-gateway.js';
import { addProxyless, assignmentForGrpc, clusterForGrpc } from './translate-proxyless.js';
import { addCapturedSidecar } from './translate-captured-sidecar.js';
import { addExplicitSidecar } from './translate-sidecar.js';
import { scopeOf, type EffectivePolicy, type NamespaceScope } from './visibility.js';

export { translateEndpoints } from './translate-endpoints.js';

/**
 * All resources for proxies of one view. Pure: equal models and views give equal bytes.
 *
 * Cost: a service's clusters and endpoints are made once for the namespaces that see it alike, and again only when the
 * service or the rules for it changed; listeners and routes again only when something other than endpoints changed.
 */
export function translateProxy(model: MeshModel, view: ProxyView): ProxyResources {
  const scope = scopeOf(model, view.namespace);
  const set = new ResourceSet();
  for (const service of scope.services.values()) {
    const { clusters, loadAssignments } = serviceResources(model, view, scope, service);
    for (const made of clusters) {
      const cluster = view.isProxyless === true ? clusterForGrpc(made) : made;
      if (cluster !== undefined) set.addCluster(cluster);
    }
    for (const assignment of loadAssignments)
      set.addLoadAssignment(view.isProxyless === true ? assignmentForGrpc(assignment) : assignment);
  }
  const own = ownResources(model, view, scope);
  for (const cluster of own.clusters.values()) set.addCluster(cluster);
  for (const assignment of own.loadAssignments.values()) set.addLoadAssignment(assignment);
  for (const listener of own.listeners.values()) set.addListener(listener);
  for (const routes of own.routeConfigurations.values()) set.addRouteConfiguration(routes);
  for (const secret of own.secrets.values()) set.addSecret(secret);
  for (const table of own.nameTables.values()) set.addNameTable(table);
  return set.finish();
}

/** The endpoints of some services (by key) for one view; for changes of endpoints alone. */
export function translateServiceEndpoints(
  model: MeshModel,
  view: ProxyView,
  serviceKeys: readonly string[],
): ProxyResources['loadAssignments'] {
  const scope = scopeOf(model, view.namespace);
  const found = new Map<string, LoadAssignment>();
  for (const key of serviceKeys) {
    const service = model.services.get(key);
    // Another service of the same host may be what this namespace sees.
    if (service === undefined || scope.services.get(service.hostname) !== service) continue;
    for (const assignment of serviceResources(model, view, scope, service).loadAssignments)
      found.set(
        assignment.clusterName ?? '',
        view.isProxyless === true ? assignmentForGrpc(assignment) : assignment,
      );
  }
  return found;
}

type LoadAssignment = envoy.config.endpoint.v3.IClusterLoadAssignment;

interface ServiceResources {
  /** What they depend on beside the service and the rules for it. */
  readonly peers: MeshModel['peerAuthentications'];
  readonly clusters: readonly envoy.config.cluster.v3.ICluster[];
  readonly loadAssignments: readonly LoadAssignment[];
}

/** By what callers may differ in. */
type ByCaller = Map<string, ServiceResources>;

const ofServices = new WeakMap<Service, WeakMap<EffectivePolicy, ByCaller>>();

function serviceResources(
  model: MeshModel,
  view: ProxyView,
  scope: NamespaceScope,
  service: Service,
): ServiceResources {
  const policy = scope.policyFor(service, view);
  let byPolicy = ofServices.get(service);
  if (byPolicy === undefined) ofServices.set(service, (byPolicy = new WeakMap()));
  let byCaller = byPolicy.get(policy);
  if (byCaller === undefined) byPolicy.set(policy, (byCaller = new Map()));
  const caller = callerKey(model, view, policy);
  let made = byCaller.get(caller);
  if (made?.peers !== model.peerAuthentications) {
    const clusters = clustersOf(service, policy, {
      peers: model.peerAuthentications,
      mtls: view.mtls,
      tunnels: view.tunnels,
      isCaptured: view.captured !== undefined,
      hasCredential: (rule) => hasCredential(model, view, policy, rule),
      systemRootsPath: view.systemRootsPath,
      labels: view.labels,
      ...(view.locality === undefined ? {} : { locality: view.locality }),
      identities: service.serviceAccounts.map((account) => spiffeId(model.settings.trustDomain, account)),
    });
    const loadAssignments = clusters.flatMap(({ name, edsClusterConfig }) => {
      const assignment = edsClusterConfig == null ? undefined : translateEndpoints(model, name ?? '', view);
      return assignment === undefined ? [] : [assignment];
    });
    made = { peers: model.peerAuthentications, clusters, loadAssignments };
    // Paths come from nodes, and so may be anything.
    if (byCaller.size >= maxCallers) byCaller.clear();
    byCaller.set(caller, made);
  }
  return made;
}

const maxCallers = 16;

/** What a view brings that clusters and endpoints depend on. */
function callerKey(model: MeshModel, view: ProxyView, policy: EffectivePolicy): string {
  const asksForTls = ({ tls, portLevel }: TrafficPolicy): boolean =>
    tls?.mode === 'simple' || tls?.mode === 'mutual' || [...(portLevel?.values() ?? [])].some(asksForTls);
  const isOwn = asksForTls(policy.traffic) || policy.subsets.some(({ traffic }) => asksForTls(traffic));
  const captured = view.captured === undefined ? '' : 'captured';
  const tunnels = view.tunnels === undefined ? '' : 'tunnels';
  const asked = localityKey(view, policy);
  if (!isOwn) return `${view.mtls} ${captured} ${tunnels} ${asked}`;
  const credentials = credentialRules(policy).map((rule) => hasCredential(model, view, policy, rule));
  return `${view.mtls} ${captured} ${tunnels} ${asked} ${credentials.join()} ${view.systemRootsPath}`;
}

/** By what callers may prefer different endpoints. */
function localityKey(view: ProxyView, policy: EffectivePolicy): string {
  const levels = [policy.traffic, ...policy.subsets.map(({ traffic }) => traffic)].flatMap((traffic) => [
    traffic,
    ...(traffic.portLevel?.values() ?? []),
  ]);
  const depends = levels.filter(({ locality, outlierDetection }) => locality ?? outlierDetection);
  if (depends.length === 0) return '';
  const labels = [...new Set(depends.flatMap(localityLabels))].map((name) => view.labels[name] ?? null);
  return JSON.stringify([view.locality ?? null, labels]);
}

const ofViews = new WeakMap<ProxyView, { readonly configHash: string; readonly resources: ProxyResources }>();

/** What this view alone has: listeners, routes and the clusters of its own application. */
function ownResources(model: MeshModel, view: ProxyView, scope: NamespaceScope): ProxyResources {
  const known = ofViews.get(view);
  if (known?.configHash === model.configHash) return known.resources;
  const set = new ResourceSet();
  if (view.isProxyless === true) addProxyless(set, view, scope);
  else if (view.role === 'gateway') addGateway(set, model, view, scope);
  else if (view.captured !== undefined) addCapturedSidecar(set, model, view, view.captured, scope);
  else addExplicitSidecar(set, model, view, scope);
  addSecrets(set, model, view, scope);
  const resources = set.finish();
  ofViews.set(view, { configHash: model.configHash, resources });
  return resources;
}
