import type { Clock, Random } from '@heddle/common';
import type { FaultConfig, RuntimeSettings } from '@heddle/engine';
import type { Counter, Gauge, Tags } from '../../../stats/stats-store.js';
import type { HttpFilter } from '../../filter.js';
import { FaultFilter } from './fault-filter.js';

/** What the fault filters of one connection manager share. */
export interface FaultShared {
  readonly config: FaultConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: RuntimeSettings;
  readonly delays: Counter;
  readonly aborts: Counter;
  readonly overflow: Counter;
  readonly active: Gauge;
}

/** Source: envoy.extensions.filters.http.fault.v3. */
export const faultFilter: HttpFilter = {
  name: 'envoy.filters.http.fault',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
  isIdle: (config) => {
    const { delay, abort } = config as FaultConfig;
    return delay === undefined && abort === undefined;
  },
  create(config, { clock, random, runtime, stats, statPrefix }) {
    const tags: Tags = [['envoy_http_conn_manager_prefix', statPrefix]];
    const shared: FaultShared = {
      config: config as FaultConfig,
      clock,
      random,
      runtime,
      delays: stats.counter('http.fault.delays_injected', tags),
      aborts: stats.counter('http.fault.aborts_injected', tags),
      overflow: stats.counter('http.fault.faults_overflow', tags),
      active: stats.gauge('http.fault.active_faults', tags),
    };
    return (handle) => new FaultFilter(shared, handle);
  },
};
