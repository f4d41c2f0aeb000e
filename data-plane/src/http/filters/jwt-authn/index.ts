import type { JwtAuthnConfig } from '@heddle/engine';
import type { HttpFilter } from '../../filter.js';
import { JwtAuthnFilter, type JwtAuthnShared } from './jwt-authn-filter.js';
import { createJwtAuthnStats } from './jwt-authn-stats.js';
import { TokenVerifier } from './token-verifier.js';

/** Source: envoy.extensions.filters.http.jwt_authn.v3. */
export const jwtAuthnFilter: HttpFilter = {
  name: 'envoy.filters.http.jwt_authn',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
  create(config, { clock, random, stats, statPrefix }) {
    const jwtConfig = config as JwtAuthnConfig;
    const counters = createJwtAuthnStats(stats, [['envoy_http_conn_manager_prefix', statPrefix]]);
    const shared: JwtAuthnShared = {
      config: jwtConfig,
      verifier: new TokenVerifier(jwtConfig, counters),
      clock,
      random,
      stats: counters,
    };
    return (handle) => new JwtAuthnFilter(shared, handle);
  },
};
