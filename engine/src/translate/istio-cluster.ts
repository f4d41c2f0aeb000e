import type { envoy, google } from '@heddle/xds-protos';
import type { IstioClusterConfig } from '../config/cluster-config.js';

/**
 * What Istio's control plane says of a cluster to its filters; undefined when it says nothing.
 *
 * Source: Istio's cluster metadata, `istio.services[0]`, `external` and `disable_mx`. It decides about metrics only, so what
 * has another form is passed over.
 */
export function translateIstioCluster(
  metadata: envoy.config.core.v3.Metadata | null,
): IstioClusterConfig | undefined {
  const fields = metadata?.filterMetadata['istio']?.fields;
  if (fields === undefined) return undefined;
  const first = fields['services']?.listValue?.values[0]?.structValue?.fields;
  const host = textOf(first?.['host']);
  return {
    service:
      first === undefined
        ? undefined
        : {
            host,
            name: first['name'] === undefined ? (host.split('.', 1)[0] ?? '') : textOf(first['name']),
            namespace: textOf(first['namespace']),
          },
    external: fields['external']?.boolValue === true,
    disableMetadataExchange: fields['disable_mx']?.boolValue === true,
  };
}

function textOf(value: google.protobuf.Value | undefined): string {
  return value?.stringValue ?? '';
}
