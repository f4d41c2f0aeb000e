import {
  bool,
  filled,
  host,
  integer,
  label,
  object,
  percent,
  positiveDuration,
  duration,
  list,
  resource,
  type Schema,
} from './schema-parts.js';

const version = object({ host, subset: label });

/** Heddle's Canary: how a new version of a host gets its traffic, and what ends that. */
export const canarySchema: Schema = resource(
  object(
    {
      host,
      stable: version,
      canary: version,
      steps: list(object({ weight: integer(1, 100), interval: positiveDuration, pause: bool }, ['weight']), {
        minItems: 1,
        maxItems: 50,
        expected: 'a list of 1 to 50 steps, each with its weight',
      }),
      interval: positiveDuration,
      stepTimeout: duration,
      minRequests: integer(1, 1_000_000),
      splitTolerance: percent,
      successRate: object({ min: percent, maxDrop: percent }),
      latency: object({
        percentile: { type: 'number', minimum: 1, maximum: 99.9, expected: 'a number from 1 to 99.9' },
        max: positiveDuration,
        maxRatio: { type: 'number', minimum: 1, maximum: 1_000, expected: 'a number from 1 to 1000' },
      }),
      revision: filled,
    },
    ['host', 'stable', 'canary', 'steps'],
  ),
);
