import type { envoy } from '@heddle/xds-protos';
import { adsSource } from './proto-values.js';

type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.ISdsSecretConfig;

/** The name of a Secret's certificate as a resource: of the Secret in the namespace of the proxy. Source: Istio. */
export function certificateResource(name: string): string {
  return `kubernetes://${name}`;
}

/** The name of what goes with it to check the other side by. Source: Istio. */
export function authoritiesResource(name: string): string {
  return `kubernetes://${name}-cacert`;
}

export function certificateFrom(name: string): SdsSecretConfig {
  return { name: certificateResource(name), sdsConfig: adsSource };
}

export function authoritiesFrom(name: string): SdsSecretConfig {
  return { name: authoritiesResource(name), sdsConfig: adsSource };
}
