import { workloadSelector } from './policy-target.js';
import { map, object, oneOf, resource, type Schema } from './schema-parts.js';

const mutualTls = object({ mode: oneOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT') });

/** Istio's PeerAuthentication. */
export const peerAuthenticationSchema: Schema = resource(
  object({
    selector: workloadSelector,
    mtls: mutualTls,
    portLevelMtls: map(mutualTls, {
      type: 'string',
      format: 'port-number',
      expected: 'the number of a port of the workload, from 1 to 65535',
    }),
  }),
  false,
);
