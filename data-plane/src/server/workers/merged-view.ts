import type { Clock } from '@heddle/common';
import type { ClusterConfig } from '@heddle/engine';
import type { ClusterStatus, HostStatus } from '../../cluster/cluster-manager.js';
import { LabelledMetrics } from '../../stats/istio/labelled-metrics.js';
import { StatsStore } from '../../stats/stats-store.js';
import { hostKey, type LabelledFamily, type WorkerCluster } from './messages.js';

/** What each worker counts of a host. */
const COUNTED = [
  'cxActive',
  'cxTotal',
  'cxConnectFail',
  'rqActive',
  'rqTotal',
  'rqSuccess',
  'rqError',
  'rqTimeout',
] as const;

/** Clusters as all workers have them together: counted is what they counted together, all else is what the first one says. */
export function mergedClusters(
  views: readonly (readonly WorkerCluster[])[],
  configs: ReadonlyMap<string, ClusterConfig>,
): readonly ClusterStatus[] {
  const merged = new Map<string, { state: ClusterStatus['state']; hosts: Map<string, HostStatus> }>();
  for (const clusters of views) {
    for (const { name, state, hosts } of clusters) {
      const key = `${state} ${name}`;
      let found = merged.get(key);
      if (found === undefined) merged.set(key, (found = { state, hosts: new Map() }));
      for (const host of hosts) {
        const at = hostKey(host.address);
        const known = found.hosts.get(at);
        found.hosts.set(at, known === undefined ? host : counted(known, host));
      }
    }
  }
  return [...merged].flatMap(([key, { state, hosts }]): ClusterStatus[] => {
    const config = configs.get(key.slice(state.length + 1));
    return config === undefined
      ? []
      : [{ config, state, hosts: [...hosts.values()], successRates: undefined }];
  });
}

/** The metrics whose labels come from traffic, of all threads. */
export function mergedLabelled(
  clock: Clock,
  own: LabelledMetrics,
  workers: readonly (readonly LabelledFamily[])[],
): LabelledMetrics {
  const merged = new LabelledMetrics({
    clock,
    stats: new StatsStore(),
    // Those of one worker are bounded; what several have in common is one here.
    maxSeries: own.maxSeries * Math.max(1, workers.length),
  });
  for (const families of workers) {
    for (const { name, kind, help, series } of families) {
      for (const [labels, values] of series) {
        if (kind === 'counter')
          merged
            .counter(name, help)
            .series(labels, labels)
            .metric.add(values[0] ?? 0);
        else merged.histogram(name, help).series(labels, labels).metric.addSlots(values);
      }
    }
  }
  return merged;
}

function counted(one: HostStatus, other: HostStatus): HostStatus {
  const sums = Object.fromEntries(COUNTED.map((name) => [name, one[name] + other[name]]));
  return { ...one, ...sums };
}
