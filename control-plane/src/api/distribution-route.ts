import { buildModel } from '../model/build-model.js';
import type { MeshModel } from '../model/mesh-model.js';
import { resourceKey, type MeshKind } from '../model/mesh-resource.js';
import type { MeshState } from '../mesh-state.js';
import { encodeResources } from '../snapshot/encode-resources.js';
import type { RawResource } from '../snapshot/resource-store.js';
import { translateProxy } from '../translate/translate-proxy.js';
import { viewKey, type ProxyView } from '../translate/proxy-view.js';
import type { ProxyStatus } from '../xds-server/ads-service.js';
import type { ApiRoute } from './api-route.js';
import { problem } from './api-server.js';

/** What telling how far a resource has come needs. */
export interface DistributionSources {
  readonly state: () => MeshState;
  readonly proxies: () => readonly ProxyStatus<ProxyView>[];
}

/** How far one proxy has come with what a resource means for it. */
type DistributionState = 'acknowledged' | 'waiting' | 'refused';

/** To whom a resource in force has come. */
export function createDistributionRoute({ state, proxies }: DistributionSources): ApiRoute {
  return {
    method: 'GET',
    path: '/api/v1/resources/{kind}/{namespace}/{name}/distribution',
    summary:
      'To which connected proxies a resource matters, and which of them have acknowledged what it means.',
    writes: false,
    handle: ({ parameters }) => {
      const { kind = '', namespace = '', name = '' } = parameters;
      const now = state();
      const key = resourceKey(kind as MeshKind, namespace, name);
      const errors = now.problems
        .filter(({ severity, resource }) => severity === 'error' && isSame(resource, kind, namespace, name))
        .map(({ file, line, message }) => `${file}:${line}: ${message}`);
      const resource = now.resources.get(key);
      if (resource === undefined && errors.length === 0)
        return problem(404, `no resource ${key} is in force`);
      const affected = resource === undefined ? undefined : affectedTypes(now, key);
      return {
        status: 200,
        body: {
          revision: now.revision,
          inForce: resource !== undefined,
          contentHash: resource?.contentHash ?? '',
          file: resource?.origin.file ?? '',
          errors,
          proxies: proxies().flatMap((proxy) => {
            const types = affected?.(proxy.view) ?? [];
            return types.length === 0 ? [] : [distributionTo(proxy, types)];
          }),
        },
      };
    },
  };
}

/** The types of resources that are different for a view, or not there, without one mesh resource. */
function affectedTypes({ resources, model }: MeshState, key: string): (view: ProxyView) => readonly string[] {
  const { settings, keySets } = model;
  const others = new Map(resources);
  others.delete(key);
  // Neither has the weights of canaries, which are no part of what is asked.
  const before = buildModel(others, settings, keySets).model;
  const after = buildModel(resources, settings, keySets).model;
  const known = new Map<string, readonly string[]>();
  return (view) => {
    const id = viewKey(view);
    let types = known.get(id);
    if (types === undefined) known.set(id, (types = differences(before, after, view)));
    return types;
  };
}

function differences(before: MeshModel, after: MeshModel, view: ProxyView): readonly string[] {
  const types = new Set<string>();
  const left = new Map<string, RawResource>();
  for (const resource of encodeResources(translateProxy(after, view)))
    left.set(`${resource.typeUrl} ${resource.name}`, resource);
  for (const { typeUrl, name, value } of encodeResources(translateProxy(before, view))) {
    const served = left.get(`${typeUrl} ${name}`);
    if (served === undefined || Buffer.compare(served.value, value) !== 0) types.add(typeUrl);
    left.delete(`${typeUrl} ${name}`);
  }
  for (const { typeUrl } of left.values()) types.add(typeUrl);
  return [...types];
}

function distributionTo(
  proxy: ProxyStatus<ProxyView>,
  types: readonly string[],
): { readonly id: string; readonly state: DistributionState; readonly why?: string } {
  const concerned = proxy.types.filter(({ typeUrl }) => types.includes(typeUrl));
  const nack = concerned.find((one) => one.nack !== undefined)?.nack;
  const isDone = concerned.every(({ state }) => state === 'synced' || state === 'never-sent');
  return {
    id: proxy.nodeId,
    state: nack !== undefined ? 'refused' : isDone ? 'acknowledged' : 'waiting',
    ...(nack === undefined ? {} : { why: nack.message }),
  };
}

function isSame(
  resource: { readonly kind: string; readonly namespace: string; readonly name: string } | undefined,
  kind: string,
  namespace: string,
  name: string,
): boolean {
  return resource?.kind === kind && resource.namespace === namespace && resource.name === name;
}
