import type { Random } from '@heddle/common';
import type { RouteTarget, WeightedClusterConfig } from '../config/route-config.js';
import { readRequestHeader } from '../format/operators.js';
import type { RequestHead } from '../http/message-head.js';

/** Where a request goes. `name` is empty when the header that should name the cluster is absent (answer: 503, `NC`). */
export interface ChosenCluster {
  readonly name: string;
  /** The entry of a weighted list, for its header changes, host rewrite and filter overrides. */
  readonly weighted: WeightedClusterConfig | undefined;
}

const DECIMAL = /^\d{1,20}$/;

/**
 * Chooses the cluster of a forwarding route.
 *
 * Source: envoy.config.route.v3.RouteAction.cluster_specifier. With a `header_name` the header's number decides (modulo the
 * total weight), so that one caller stays with one version; without the header, or when it is no number, chance decides.
 */
export function chooseCluster(target: RouteTarget, head: RequestHead, random: Random): ChosenCluster {
  switch (target.kind) {
    case 'cluster':
      return { name: target.name, weighted: undefined };
    case 'cluster-header':
      return { name: readRequestHeader(head, target.header) ?? '', weighted: undefined };
    case 'weighted': {
      const weighted = chooseWeighted(target.clusters, weightedPoint(target, head, random));
      return { name: weighted?.name ?? '', weighted };
    }
  }
}

/** A whole number in [0, totalWeight). */
function weightedPoint(
  target: Extract<RouteTarget, { kind: 'weighted' }>,
  head: RequestHead,
  random: Random,
): number {
  if (target.randomValueHeader !== '') {
    const value = head.headers.get(target.randomValueHeader);
    // 64-bit numbers do not fit a double exactly; the remainder must not be rounded.
    if (value !== undefined && DECIMAL.test(value)) return Number(BigInt(value) % BigInt(target.totalWeight));
  }
  return Math.floor(random() * target.totalWeight);
}

/** The entry that covers `point` when the weights are laid end to end. Also used for the TCP proxy's clusters. */
export function chooseWeighted<T extends { readonly weight: number }>(
  entries: readonly T[],
  point: number,
): T | undefined {
  let end = 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as T;
    end += entry.weight;
    if (point < end) return entry;
  }
  return undefined;
}
