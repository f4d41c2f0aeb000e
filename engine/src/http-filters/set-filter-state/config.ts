import { envoy } from '@heddle/xds-protos';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { deepFreeze } from '../../translate/proto-values.js';
import { translateFilterStateValues, type FilterStateValueConfig } from '../../translate/filter-state.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { Config } = envoy.extensions.filters.http.set_filter_state.v3;

/** Source: envoy.extensions.filters.http.set_filter_state.v3.Config. */
export interface SetFilterStateConfig {
  readonly onRequest: readonly FilterStateValueConfig[];
}

export const setFilterStateFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.set_filter_state',
  typeUrl: `type.googleapis.com/${Config.typeName}`,
  perRouteTypeUrl: undefined,
  terminal: false,
  parse(bytes, path) {
    const findings = new Findings();
    const message = decodeAs(bytes, Config, path, findings);
    const config: SetFilterStateConfig = {
      onRequest: translateFilterStateValues(
        message?.onRequestHeaders ?? [],
        `${path}.on_request_headers`,
        findings,
      ),
    };
    return findings.finish(deepFreeze(config));
  },
  parsePerRoute(_bytes, path) {
    return {
      ok: false,
      problems: [{ path, message: 'what is left in the filter state is not configured per route' }],
    };
  },
};
