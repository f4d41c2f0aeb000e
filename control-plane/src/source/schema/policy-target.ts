import { label, labels, list, object, oneOf, refused, subdomain, type Schema } from './schema-parts.js';

/** Istio's WorkloadSelector, `selector` of a security policy. */
export const workloadSelector: Schema = object({ matchLabels: labels });

const reference = object(
  {
    group: oneOf('gateway.networking.k8s.io'),
    kind: oneOf('Gateway'),
    name: subdomain,
    namespace: refused(label, 'a policy is for Gateways of its own namespace'),
  },
  ['kind', 'name'],
);

/** Istio's PolicyTargetReference, `targetRefs` of a security policy that may be for gateways. */
export const policyTargetRefs: Schema = list(reference, { maxItems: 16 });
