import type { RbacFilterConfig } from '@heddle/engine';
import type { Tags } from '../../../stats/stats-store.js';
import type { HttpFilter } from '../../filter.js';
import { RbacFilter } from './rbac-filter.js';
import { prepareRbac, type PreparedRbac } from './rbac-rules.js';

/** What the RBAC filters of one connection manager share. */
export interface RbacShared {
  readonly prepared: PreparedRbac;
  /** Makes the configuration of a route ready, once. */
  prepare(config: RbacFilterConfig): PreparedRbac;
}

/** Source: envoy.extensions.filters.http.rbac.v3. */
export const rbacFilter: HttpFilter = {
  name: 'envoy.filters.http.rbac',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
  create(config, { stats, statPrefix }) {
    const base = config as RbacFilterConfig;
    const tags: Tags = [['envoy_http_conn_manager_prefix', statPrefix]];
    // Of routes, which come and go with their configuration.
    const ofRoutes = new WeakMap<RbacFilterConfig, PreparedRbac>();
    const shared: RbacShared = {
      prepared: prepareRbac(base, { base, stats, tags }),
      prepare(own) {
        let prepared = ofRoutes.get(own);
        if (prepared === undefined) ofRoutes.set(own, (prepared = prepareRbac(own, { base, stats, tags })));
        return prepared;
      },
    };
    return (handle) => new RbacFilter(shared, handle);
  },
};
