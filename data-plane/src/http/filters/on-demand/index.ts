import type { Clock } from '@heddle/common';
import type { OnDemandConfig } from '@heddle/engine';
import type { Counter, Gauge, Tags } from '../../../stats/stats-store.js';
import type { HttpFilter, RouteFetcher } from '../../filter.js';
import { OnDemandFilter } from './on-demand-filter.js';

/** What the filters of one connection manager share. */
export interface OnDemandShared {
  readonly config: OnDemandConfig;
  readonly clock: Clock;
  readonly fetcher: RouteFetcher | undefined;
  /** Requests that wait. */
  readonly waiting: Gauge;
  /** Requests that did not wait, because too many do. */
  readonly overflow: Counter;
}

/** Source: envoy.extensions.filters.http.on_demand.v3. */
export const onDemandFilter: HttpFilter = {
  name: 'envoy.filters.http.on_demand',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand',
  findsRoutes: true,
  create(config, { clock, fetcher, stats, statPrefix }) {
    const tags: Tags = [['envoy_http_conn_manager_prefix', statPrefix]];
    const shared: OnDemandShared = {
      config: config as OnDemandConfig,
      clock,
      fetcher,
      waiting: stats.gauge('http.on_demand.waiting', tags),
      overflow: stats.counter('http.on_demand.overflow', tags),
    };
    return (handle) => new OnDemandFilter(shared, handle);
  },
};
