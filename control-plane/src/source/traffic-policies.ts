import type { DestinationRuleSpec, TrafficPolicySpec } from '../model/specs/destination-rule.js';

/** A traffic policy of a DestinationRule, and where it stands. */
export interface PlacedPolicy {
  readonly policy: Omit<TrafficPolicySpec, 'portLevelSettings'>;
  readonly path: readonly (string | number)[];
}

/** All of them: for the whole service, for subsets, and for their ports. */
export function trafficPoliciesOf(spec: DestinationRuleSpec): readonly PlacedPolicy[] {
  return [
    ...withPorts(spec.trafficPolicy, ['spec', 'trafficPolicy']),
    ...(spec.subsets ?? []).flatMap(({ trafficPolicy }, i) =>
      withPorts(trafficPolicy, ['spec', 'subsets', i, 'trafficPolicy']),
    ),
  ];
}

function withPorts(policy: TrafficPolicySpec | undefined, path: PlacedPolicy['path']): PlacedPolicy[] {
  if (policy === undefined) return [];
  const ports = (policy.portLevelSettings ?? []).map((level, i) => ({
    policy: level,
    path: [...path, 'portLevelSettings', i],
  }));
  return [{ policy, path }, ...ports];
}
