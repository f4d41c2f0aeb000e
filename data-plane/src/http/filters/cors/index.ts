import type { Random } from '@heddle/common';
import type { RuntimeSettings } from '@heddle/engine';
import type { Counter, Tags } from '../../../stats/stats-store.js';
import type { HttpFilter } from '../../filter.js';
import { CorsFilter } from './cors-filter.js';

/** What the filters of one connection manager share. */
export interface CorsShared {
  readonly random: Random;
  readonly runtime: RuntimeSettings;
  readonly valid: Counter;
  readonly invalid: Counter;
}

/** Source: envoy.extensions.filters.http.cors.v3. */
export const corsFilter: HttpFilter = {
  name: 'envoy.filters.http.cors',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors',
  isIdle: () => true,
  create(_config, { random, runtime, stats, statPrefix }) {
    const tags: Tags = [['envoy_http_conn_manager_prefix', statPrefix]];
    const shared: CorsShared = {
      random,
      runtime,
      valid: stats.counter('http.cors.origin_valid', tags),
      invalid: stats.counter('http.cors.origin_invalid', tags),
    };
    return (handle) => new CorsFilter(shared, handle);
  },
};
