import { typeUrls } from '@heddle/xds-protos';
import type { Counter, StatsStore } from '../stats/stats-store.js';

/** What is counted of the updates of one type, by Envoy's names. */
export interface UpdateCounters {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly rejected: Counter;
  readonly initFetchTimeout: Counter;
}

/** By type URL. */
export function countersOfTypes(stats: StatsStore): ReadonlyMap<string, UpdateCounters> {
  return new Map([
    [typeUrls.cluster, updateCounters(stats, 'cluster_manager.cds')],
    [typeUrls.listener, updateCounters(stats, 'listener_manager.lds')],
    [typeUrls.clusterLoadAssignment, updateCounters(stats, 'xds.eds')],
    [typeUrls.routeConfiguration, updateCounters(stats, 'xds.rds')],
    [typeUrls.secret, updateCounters(stats, 'xds.sds')],
    [typeUrls.nameTable, updateCounters(stats, 'xds.nds')],
  ]);
}

function updateCounters(stats: StatsStore, prefix: string): UpdateCounters {
  return {
    attempt: stats.counter(`${prefix}.update_attempt`),
    success: stats.counter(`${prefix}.update_success`),
    failure: stats.counter(`${prefix}.update_failure`),
    rejected: stats.counter(`${prefix}.update_rejected`),
    initFetchTimeout: stats.counter(`${prefix}.init_fetch_timeout`),
  };
}
