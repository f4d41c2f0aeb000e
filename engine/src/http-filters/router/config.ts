import { envoy } from '@heddle/xds-protos';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { deepFreeze } from '../../translate/proto-values.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { Router } = envoy.extensions.filters.http.router.v3;

/** Source: envoy.extensions.filters.http.router.v3.Router. */
export interface RouterConfig {
  /** No `x-envoy-*` headers are added to requests or responses. */
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedRequestTimeout: boolean;
}

export const routerFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.router',
  typeUrl: `type.googleapis.com/${Router.typeName}`,
  perRouteTypeUrl: undefined,
  terminal: true,
  parse(bytes, path) {
    const findings = new Findings();
    const router = decodeAs(bytes, Router, path, findings);
    if (router !== undefined) {
      findings.unsupported(`${path}.upstream_log`, router.upstreamLog.length > 0, 'warning');
      findings.unsupported(
        `${path}.upstream_http_filters`,
        router.upstreamHttpFilters.length > 0,
        'problem',
        'HTTP filters of the upstream are not supported',
      );
      findings.unsupported(`${path}.strict_check_headers`, router.strictCheckHeaders.length > 0, 'warning');
    }
    const config: RouterConfig = {
      suppressEnvoyHeaders: router?.suppressEnvoyHeaders ?? false,
      respectExpectedRequestTimeout: router?.respectExpectedRqTimeout ?? false,
    };
    return findings.finish(deepFreeze(config));
  },
  parsePerRoute(_bytes, path) {
    return { ok: false, problems: [{ path, message: 'the router takes no configuration per route' }] };
  },
};
