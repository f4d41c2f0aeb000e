import type { HttpObserver } from '../../filter.js';

/** Accepted from Istio's control plane; what is offered in TLS follows from clusters and codecs here. */
export const istioAlpnFilter: HttpObserver = {
  name: 'istio.alpn',
  typeUrl: 'type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig',
  observe: () => undefined,
};
