import type { envoy } from '@heddle/xds-protos';
import type { MeshModel } from '../model/mesh-model.js';
import type { ProxyResources } from './proxy-resources.js';
import type { ProxyView } from './proxy-view.js';
import { ResourceSet } from './resource-set.js';
import { clustersOf } from './translate-cluster.js';
import { translateEndpoints } from './translate-endpoints.js';
import { addGateway } from './translate-gateway.js';
import { addExplicitSidecar } from './translate-sidecar.js';
import { scopeOf, type NamespaceScope } from './visibility.js';

export { translateEndpoints } from './translate-endpoints.js';

/**
 * All resources for proxies of one view. Pure: equal models and views give equal bytes.
 *
 * Cost: clusters and endpoints are made once for a model and a namespace, and shared by its views.
 */
export function translateProxy(model: MeshModel, view: ProxyView): ProxyResources {
  const scope = scopeOf(model, view.namespace);
  const set = new ResourceSet();
  const { clusters, loadAssignments } = sharedResources(model, view, scope);
  for (const cluster of clusters) set.addCluster(cluster);
  for (const assignment of loadAssignments) set.addLoadAssignment(assignment);
  if (view.role === 'gateway') addGateway(set, model, view, scope);
  else addExplicitSidecar(set, model, view, scope);
  return set.finish();
}

interface SharedResources {
  readonly clusters: readonly envoy.config.cluster.v3.ICluster[];
  readonly loadAssignments: readonly envoy.config.endpoint.v3.IClusterLoadAssignment[];
}

const shared = new WeakMap<NamespaceScope, SharedResources>();

function sharedResources(model: MeshModel, view: ProxyView, scope: NamespaceScope): SharedResources {
  const known = shared.get(scope);
  if (known !== undefined) return known;
  const clusters = [...scope.services.values()].flatMap((service) =>
    clustersOf(service, scope.policyFor(service)),
  );
  const loadAssignments = clusters.flatMap(({ name, edsClusterConfig }) => {
    const assignment = edsClusterConfig == null ? undefined : translateEndpoints(model, name ?? '', view);
    return assignment === undefined ? [] : [assignment];
  });
  const made = { clusters, loadAssignments };
  shared.set(scope, made);
  return made;
}
