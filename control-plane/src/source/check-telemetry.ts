import { parseLabelExpression } from '@heddle/engine';
import type { TelemetrySpec } from '../model/specs/telemetry.js';
import type { SchemaProblem } from './validate-resource.js';

/** What the schema cannot say of a `Telemetry`. */
export function checkTelemetry({ metrics = [] }: TelemetrySpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  metrics.forEach(({ overrides = [] }, i) => {
    overrides.forEach(({ tagOverrides = {} }, j) => {
      for (const [name, { operation = 'UPSERT', value }] of Object.entries(tagOverrides)) {
        const path = ['spec', 'metrics', i, 'overrides', j, 'tagOverrides', name];
        if (operation === 'REMOVE') {
          if (value !== undefined) {
            problems.push({
              path: [...path, 'value'],
              message: `the label ${name} is removed, and so its value has no effect`,
              severity: 'warning',
            });
          }
        } else if (value === undefined) {
          problems.push({
            path,
            message: `the label ${name} lacks a value`,
            expected: 'value, or operation: REMOVE',
          });
        } else if (parseLabelExpression(value) === undefined) {
          problems.push({
            path: [...path, 'value'],
            message: `the expression of the label ${name} is not known: the label will be "unknown"`,
            expected: `a text in quotes, request.method, request.host, request.url_path, request.headers['x-name'] and the like`,
            severity: 'warning',
          });
        }
      }
    });
  });
  return problems;
}
