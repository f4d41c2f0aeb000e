import { typeUrls } from '@heddle/xds-protos';
import { endpointsOfVersion, type CanaryConfig, type CanaryVersion } from '../model/canary.js';
import type { MeshModel } from '../model/mesh-model.js';
import type { EncodedResource, ProxySnapshot } from '../snapshot/encoded-resource.js';
import { COLUMN, addCounts, emptyCounts } from '../traffic/call-columns.js';
import type { TrafficStore } from '../traffic/traffic-store.js';
import type { ProxyStatus } from '../xds-server/ads-service.js';
import type { CanaryCounts } from './judge.js';

/** A proxy that is connected, with what it is to have. */
export interface SeenProxy {
  readonly nodeId: string;
  readonly types: ProxyStatus<unknown>['types'];
  readonly snapshot: ProxySnapshot;
}

/** Types through which a weight reaches a proxy. */
const CONCERNED: ReadonlySet<string> = new Set([
  typeUrls.cluster,
  typeUrls.clusterLoadAssignment,
  typeUrls.listener,
  typeUrls.routeConfiguration,
]);
const ROUTING = [typeUrls.routeConfiguration, typeUrls.listener] as const;
/** Workloads that stood behind a version at some time; more than any service has. */
const MAX_WORKLOADS = 1_000;

/** What can be seen of a canary in the mesh: its endpoints, how far proxies are, and what was counted. */
export class CanarySight {
  readonly #traffic: TrafficStore;
  /** By canary and run: workloads that were seen behind each version, for what they counted outlives them. */
  readonly #workloads = new Map<string, { readonly stable: Set<string>; readonly canary: Set<string> }>();
  readonly #routesTo = new Map<string, WeakMap<EncodedResource, boolean>>();

  constructor(traffic: TrafficStore) {
    this.#traffic = traffic;
  }

  /** Endpoints that are ready. */
  endpoints(model: MeshModel, canary: CanaryConfig): { readonly stable: number; readonly canary: number } {
    const own = this.#workloadsOf(canary);
    const ready = (version: CanaryVersion, seen: Set<string>): number => {
      const endpoints = endpointsOfVersion(model, version) ?? [];
      for (const { namespace, workloadName } of endpoints) {
        if (seen.size < MAX_WORKLOADS) seen.add(`${namespace}/${workloadName}`);
      }
      return endpoints.filter(({ health }) => health === 'healthy').length;
    };
    return { stable: ready(canary.stable, own.stable), canary: ready(canary.canary, own.canary) };
  }

  /** Forgets canaries that are not there any more. */
  retain(canaries: readonly CanaryConfig[]): void {
    const keys = new Set(canaries.map(({ key, runId }) => `${key} ${runId}`));
    const hosts = new Set(canaries.map(({ host }) => host));
    for (const key of this.#workloads.keys()) if (!keys.has(key)) this.#workloads.delete(key);
    for (const host of this.#routesTo.keys()) if (!hosts.has(host)) this.#routesTo.delete(host);
  }

  /**
   * Whether those that route to the host have acknowledged everything of it. With nobody connected nothing is acknowledged.
   */
  proxies(
    canary: CanaryConfig,
    proxies: readonly SeenProxy[],
  ): { readonly acknowledged: boolean; readonly refused: string | undefined } {
    const concerned = proxies.filter(({ snapshot }) => this.#isConcerned(canary, snapshot));
    let acknowledged = concerned.length > 0;
    let refused: string | undefined;
    for (const { nodeId, types } of concerned) {
      for (const { typeUrl, state, nack } of types) {
        if (!CONCERNED.has(typeUrl) || state === 'synced' || state === 'never-sent') continue;
        acknowledged = false;
        if (state === 'nacked') refused ??= `${nodeId.split('~')[2] ?? nodeId}: ${nack?.message ?? ''}`;
      }
    }
    return { acknowledged, refused };
  }

  /** As callers' proxies counted since heddled watches. */
  counts(canary: CanaryConfig): CanaryCounts {
    const own = this.#workloadsOf(canary);
    const hosts = new Set([canary.host, canary.stable.host, canary.canary.host]);
    const counts = { canary: emptyCounts(), stable: emptyCounts(), lost: 0 };
    for (const { key, observed } of this.#traffic.records) {
      if (key.reporter !== 'source' || !hosts.has(key.host)) continue;
      const { namespace, workload } = key.destination;
      const name = `${namespace}/${workload}`;
      if (own.canary.has(name)) addCounts(counts.canary, observed);
      else if (own.stable.has(name)) addCounts(counts.stable, observed);
      else if (workload === 'unknown') counts.lost += observed[COLUMN.failed] as number;
    }
    return counts;
  }

  #workloadsOf({ key, runId }: CanaryConfig): { readonly stable: Set<string>; readonly canary: Set<string> } {
    const name = `${key} ${runId}`;
    let own = this.#workloads.get(name);
    if (own === undefined) this.#workloads.set(name, (own = { stable: new Set(), canary: new Set() }));
    return own;
  }

  /** Routes name clusters, and those their hosts. */
  #isConcerned({ stable, canary }: CanaryConfig, { resources }: ProxySnapshot): boolean {
    for (const typeUrl of ROUTING) {
      for (const resource of resources.get(typeUrl)?.values() ?? []) {
        if (this.#names(resource, stable.host) || this.#names(resource, canary.host)) return true;
      }
    }
    return false;
  }

  #names(resource: EncodedResource, host: string): boolean {
    let known = this.#routesTo.get(host);
    if (known === undefined) this.#routesTo.set(host, (known = new WeakMap()));
    let names = known.get(resource);
    if (names === undefined) {
      const { value } = resource;
      names = Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(`|${host}`);
      known.set(resource, names);
    }
    return names;
  }
}
