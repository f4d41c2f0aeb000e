import { clusterDomain } from './hostname.js';

/** What holds for the whole mesh and is told to heddled at its start, not by a resource. */
export interface MeshSettings {
  /** The namespace whose policies without a selector hold for the whole mesh. */
  readonly rootNamespace: string;
  /** The authority of every identity: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`. */
  readonly trustDomain: string;
  /** Where intercepted connections go that are for no service of the mesh: to where they were going, or nowhere. */
  readonly outboundTrafficPolicy: OutboundTrafficPolicy;
}

/** Source: Istio's MeshConfig.OutboundTrafficPolicy.Mode. */
export type OutboundTrafficPolicy = 'ALLOW_ANY' | 'REGISTRY_ONLY';

/** Source: Istio's MeshConfig. */
export const defaultMeshSettings: MeshSettings = Object.freeze({
  rootNamespace: 'istio-system',
  trustDomain: clusterDomain,
  outboundTrafficPolicy: 'ALLOW_ANY',
});
