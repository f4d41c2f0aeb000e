import type { CanarySpec } from '../model/specs/heddle.js';
import type { SchemaProblem } from './validate-resource.js';

/** What the schema cannot say of a `Canary`. */
export function checkCanary({ host, stable, canary, steps, latency }: CanarySpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  if ((stable.host ?? host) === (canary.host ?? host) && stable.subset === canary.subset) {
    problems.push({
      path: ['spec', 'canary'],
      message: 'the canary is the same as the stable version',
      expected: 'another subset, or another host',
    });
  }
  steps.forEach(({ weight }, i) => {
    const before = steps[i - 1]?.weight ?? 0;
    if (weight > before) return;
    problems.push({
      path: ['spec', 'steps', i, 'weight'],
      message: `the weight ${weight} is not more than that of the step before, ${before}`,
      expected: 'weights that grow from step to step',
    });
  });
  if (latency !== undefined && latency.max === undefined && latency.maxRatio === undefined) {
    problems.push({
      path: ['spec', 'latency'],
      message: 'latency has no bound, and so no effect',
      expected: 'max, maxRatio or both',
      severity: 'warning',
    });
  }
  return problems;
}
