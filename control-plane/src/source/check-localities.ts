import type { DestinationRuleSpec } from '../model/specs/destination-rule.js';
import { trafficPoliciesOf } from './traffic-policies.js';
import type { SchemaProblem } from './validate-resource.js';

/** What the schema cannot say of `localityLbSetting`. Source: Istio's validateLocalityLbSetting. */
export function checkLocalities(spec: DestinationRuleSpec): readonly SchemaProblem[] {
  const policies = trafficPoliciesOf(spec);
  const hasOutlierDetection = policies.some(({ policy }) => policy.outlierDetection !== undefined);
  const problems: SchemaProblem[] = [];
  for (const { policy, path } of policies) {
    const setting = policy.loadBalancer?.localityLbSetting;
    if (setting === undefined) continue;
    const at = [...path, 'loadBalancer', 'localityLbSetting'];
    const { distribute, failover, failoverPriority } = setting;
    if (distribute !== undefined && (failover ?? failoverPriority) !== undefined) {
      problems.push({
        path: [...at, 'distribute'],
        message: 'distribute and failover exclude each other',
        expected: 'distribute, or failover and failoverPriority',
        at: 'key',
      });
    }
    for (const [i, { to }] of (distribute ?? []).entries()) {
      const sum = Object.values(to).reduce((total, weight) => total + weight, 0);
      if (sum === 100) continue;
      problems.push({
        path: [...at, 'distribute', i, 'to'],
        message: `the weights add up to ${sum}`,
        expected: 'weights that add up to 100',
      });
    }
    for (const [i, { from, to }] of (failover ?? []).entries()) {
      if (from !== to) continue;
      problems.push({
        path: [...at, 'failover', i, 'to'],
        message: `${from} would fail over to itself`,
        expected: 'another region',
      });
    }
    if ((failover ?? failoverPriority) === undefined || hasOutlierDetection) continue;
    problems.push({
      path: at,
      message:
        'without outlier detection nobody finds out that the nearest do not serve: there is no failover',
      expected: 'outlierDetection beside loadBalancer',
      severity: 'warning',
    });
  }
  return problems;
}
