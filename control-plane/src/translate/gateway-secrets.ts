import type { envoy } from '@heddle/xds-protos';
import { adsSource } from './proto-values.js';

type SdsSecretConfig = envoy.extensions.transport_sockets.tls.v3.ISdsSecretConfig;

/** The certificate and key of a Secret in the namespace of the proxy, served by heddled. Source: Istio's resource names. */
export function gatewaySecret(name: string): SdsSecretConfig {
  return { name: `kubernetes://${name}`, sdsConfig: adsSource };
}

/** The authorities of the same Secret, or of one named NAME-cacert. */
export function gatewaySecretCa(name: string): SdsSecretConfig {
  return { name: `kubernetes://${name}-cacert`, sdsConfig: adsSource };
}
