import { io } from '@heddle/xds-protos';
import type { Translated } from '../../config/problem.js';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { deepFreeze } from '../../translate/proto-values.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { Config } = io.istio.http.peer_metadata;
type Config = io.istio.http.peer_metadata.Config;

/** Source: Istio's peer metadata filter, as far as it is about headers. */
export interface PeerMetadataConfig {
  /** Callers' headers are read and taken out of requests. */
  readonly readsRequests: boolean;
  /** Destinations' headers are read and taken out of responses. */
  readonly readsResponses: boolean;
  /** Callers that told who they are get the same told. */
  readonly tellsCallers: boolean;
  /** Destinations are told who calls; `inside` leaves those out that are marked as outside the mesh. */
  readonly tellsDestinations: 'no' | 'all' | 'inside';
}

/** Source: io.istio.http.peer_metadata.Config. */
export const peerMetadataFilter: HttpFilterFactoryConfig = {
  name: 'istio.metadata_exchange',
  typeUrl: `type.googleapis.com/${Config.typeName}`,
  perRouteTypeUrl: undefined,
  terminal: false,
  parse: parsePeerMetadata,
  parsePerRoute(_bytes, path) {
    return {
      ok: false,
      problems: [{ path, message: 'the exchange of metadata takes no configuration per route' }],
    };
  },
};

function parsePeerMetadata(bytes: Uint8Array, path: string): Translated<PeerMetadataConfig> {
  const findings = new Findings();
  const config = decodeAs(bytes, Config, path, findings) ?? Config.create();
  const readsHeaders = (field: 'downstream' | 'upstream'): boolean => {
    const methods = config[`${field}Discovery`];
    methods.forEach((method, i) => {
      // The control plane tells of endpoints with their addresses.
      if (method.methodSpecifier === 'istioHeaders' || method.methodSpecifier === 'workloadDiscovery') return;
      const at = `${path}.${field}_discovery[${i}]`;
      findings.warn(at, 'is not supported and has no effect');
    });
    return methods.some((method) => method.methodSpecifier === 'istioHeaders');
  };
  const told = (methods: Config['upstreamPropagation']): 'no' | 'all' | 'inside' => {
    const headers = methods.flatMap((method) => method.istioHeaders ?? []);
    if (headers.length === 0) return 'no';
    return headers.some((one) => one.skipExternalClusters) ? 'inside' : 'all';
  };
  findings.unsupported(`${path}.additional_labels`, config.additionalLabels.length > 0, 'warning');
  return findings.finish(
    deepFreeze({
      readsRequests: readsHeaders('downstream'),
      readsResponses: readsHeaders('upstream'),
      tellsCallers: told(config.downstreamPropagation) !== 'no',
      tellsDestinations: told(config.upstreamPropagation),
    }),
  );
}
