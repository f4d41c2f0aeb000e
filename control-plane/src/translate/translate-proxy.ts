import type { envoy } from '@heddle/xds-protos';
import type { MeshModel } from '../model/mesh-model.js';
import type { ProxyResources } from './proxy-resources.js';
import type { ProxyView } from './proxy-view.js';

/** All resources for proxies of one view. Pure: equal models and views give equal bytes. */
export function translateProxy(model: MeshModel, view: ProxyView): ProxyResources {
  void model;
  void view;
  throw new Error('being built');
}

/**
 * The endpoints of one cluster alone, for changes of endpoints; undefined when no such EDS cluster exists for the view.
 * Cost: proportional to that service's endpoints.
 */
export function translateEndpoints(
  model: MeshModel,
  clusterName: string,
  view: Pick<ProxyView, 'namespace'>,
): envoy.config.endpoint.v3.IClusterLoadAssignment | undefined {
  void model;
  void clusterName;
  void view;
  throw new Error('being built');
}
