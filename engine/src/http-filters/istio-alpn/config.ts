import { istio } from '@heddle/xds-protos';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { FilterConfig } = istio.envoy.config.filter.http.alpn.v2alpha1;

/**
 * Accepted, because Istio's control plane sends it to every sidecar. It does nothing here: what is offered in an upstream's
 * TLS handshake follows from the cluster and the codec in use.
 */
export const istioAlpnFilter: HttpFilterFactoryConfig = {
  name: 'istio.alpn',
  typeUrl: `type.googleapis.com/${FilterConfig.typeName}`,
  perRouteTypeUrl: undefined,
  terminal: false,
  parse(bytes, path) {
    const findings = new Findings();
    decodeAs(bytes, FilterConfig, path, findings);
    return findings.finish({});
  },
  parsePerRoute(_bytes, path) {
    return { ok: false, problems: [{ path, message: 'ALPN takes no configuration per route' }] };
  },
};
