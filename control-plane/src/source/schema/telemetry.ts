import { TELEMETRY_METRICS } from '../../model/telemetry-metrics.js';
import { policyTargetRefs, workloadSelector } from './policy-target.js';
import {
  anything,
  bool,
  duration,
  filled,
  list,
  map,
  notYet,
  object,
  oneOf,
  resource,
  type Schema,
} from './schema-parts.js';

const mode = oneOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER');

/** Istio takes any name and passes over those that it does not know. */
const providers = (name: string): Schema => list(object({ name: oneOf(name) }, ['name']), { maxItems: 16 });

const metric = oneOf('ALL_METRICS', ...Object.keys(TELEMETRY_METRICS));

const labelOverride = object({ operation: oneOf('UPSERT', 'REMOVE'), value: filled });

const metricsOverride = object({
  match: object({ metric, customMetric: notYet(filled), mode }, [], {
    mostOneField: ['metric', 'customMetric'],
  }),
  disabled: bool,
  tagOverrides: map(labelOverride, {
    type: 'string',
    format: 'prometheus-label',
    expected: 'the name of a label of Prometheus: letters, digits and _, not beginning with a digit',
  }),
});

/** Istio's Telemetry. */
export const telemetrySchema: Schema = resource(
  object(
    {
      selector: workloadSelector,
      targetRefs: policyTargetRefs,
      tracing: notYet(list(anything)),
      metrics: list(
        object({
          providers: providers('prometheus'),
          overrides: list(metricsOverride, { maxItems: 1_000 }),
          reportingInterval: notYet(duration, 'has no effect: metrics are always up to date'),
        }),
        { maxItems: 100 },
      ),
      accessLogging: list(
        object({
          match: object({ mode }),
          providers: providers('envoy'),
          disabled: bool,
          filter: notYet(object({ expression: filled }), 'is accepted, but everything is logged'),
        }),
        { maxItems: 100 },
      ),
    },
    [],
    { mostOneField: ['selector', 'targetRefs'] },
  ),
  false,
);
