import type { MeshResource } from './mesh-resource.js';
import type { MeshSettings } from './mesh-settings.js';
import { PolicyIndex, policyTargetOf, type PolicySubject, type PolicyTarget } from './policy-target.js';
import type { MutualTlsSpec, PeerAuthenticationSpec } from './specs/security.js';

/** What a workload takes from its callers: plain text alone, both, or mutual TLS alone. */
export type PeerMode = 'disable' | 'permissive' | 'strict';

/** A `PeerAuthentication`. An undefined mode is that of the next wider level. */
export interface PeerAuthentication {
  /** `PeerAuthentication/NAMESPACE/NAME`. */
  readonly key: string;
  readonly target: PolicyTarget;
  readonly mode: PeerMode | undefined;
  /** By the application's port. Holds only together with a selector. */
  readonly ports: ReadonlyMap<number, PeerMode | undefined>;
}

/** What all policies come to at one workload. */
export interface EffectivePeerModes {
  readonly mode: PeerMode;
  readonly ports: ReadonlyMap<number, PeerMode>;
}

const built = new WeakMap<MeshResource, PeerAuthentication>();

/** A `PeerAuthentication`; the same object for the same resource. */
export function peerAuthenticationOf(resource: MeshResource): PeerAuthentication {
  let policy = built.get(resource);
  if (policy === undefined) {
    const { mtls, portLevelMtls = {} } = resource.spec as PeerAuthenticationSpec;
    policy = {
      key: resource.key,
      target: policyTargetOf(resource),
      mode: modeOf(mtls),
      ports: new Map(Object.entries(portLevelMtls).map(([port, level]) => [Number(port), modeOf(level)])),
    };
    built.set(resource, policy);
  }
  return policy;
}

const lastIndexes = new WeakMap<MeshSettings, PolicyIndex<PeerAuthentication>>();

/** All of them; the same object as for the last model, while they are the same, so that what was translated with it stays. */
export function indexPeerAuthentications(
  resources: readonly MeshResource[],
  settings: MeshSettings,
): PolicyIndex<PeerAuthentication> {
  const index = new PolicyIndex(resources.map(peerAuthenticationOf), settings.rootNamespace);
  const last = lastIndexes.get(settings);
  if (last?.holdsTheSame(index) === true) return last;
  lastIndexes.set(settings, index);
  return index;
}

function modeOf(spec: MutualTlsSpec | undefined): PeerMode | undefined {
  switch (spec?.mode) {
    case 'DISABLE':
      return 'disable';
    case 'PERMISSIVE':
      return 'permissive';
    case 'STRICT':
      return 'strict';
    default:
      return undefined;
  }
}

/** Source: Istio's ComposePeerAuthentication: the oldest policy of each level; PERMISSIVE where none says anything. */
export function peerModesOf(
  policies: PolicyIndex<PeerAuthentication>,
  subject: PolicySubject,
): EffectivePeerModes {
  if (policies.policies.length === 0) return permissive;
  const { mesh, namespace, workload } = policies.first(subject);
  const mode = workload?.mode ?? namespace?.mode ?? mesh?.mode ?? 'permissive';
  const ports = new Map<number, PeerMode>();
  for (const [port, level] of workload?.ports ?? []) ports.set(port, level ?? mode);
  return { mode, ports };
}

const permissive: EffectivePeerModes = Object.freeze({ mode: 'permissive', ports: new Map() });

/** What holds at one port of the application. */
export function peerModeAt(modes: EffectivePeerModes, applicationPort: number): PeerMode {
  return modes.ports.get(applicationPort) ?? modes.mode;
}
