import type { RateLimitSpec } from '../model/specs/heddle.js';
import type { SchemaProblem } from './validate-resource.js';

/** What the schema cannot say of a RateLimit. */
export function checkRateLimit(spec: RateLimitSpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  const { requests, connections, rules = [] } = spec;
  if (requests === undefined && connections === undefined && rules.length === 0) {
    problems.push({
      path: ['spec'],
      message: 'this RateLimit limits nothing',
      expected: 'requests, connections or rules',
    });
  }
  if (spec.selector !== undefined && spec.targetRefs !== undefined) {
    problems.push({
      path: ['spec', 'targetRefs'],
      message: 'selector and targetRefs exclude each other',
      expected: 'only one of selector, targetRefs',
      at: 'key',
    });
  }
  const names = new Set<string>();
  for (const [i, { name, match }] of rules.entries()) {
    const path = ['spec', 'rules', i];
    if (names.has(name)) {
      problems.push({
        path: [...path, 'name'],
        message: `the name ${name} stands twice`,
        expected: 'a name of its own for each rule',
      });
    }
    names.add(name);
    if (
      match.path === undefined &&
      match.method === undefined &&
      Object.keys(match.headers ?? {}).length === 0
    ) {
      problems.push({
        path: [...path, 'match'],
        message: 'this match says nothing, and so takes every request',
        expected: 'path, method or headers; requests beside rules is for all of them',
      });
    }
  }
  return problems;
}
