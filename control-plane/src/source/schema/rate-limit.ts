import { policyTargetRefs, workloadSelector } from './policy-target.js';
import {
  bool,
  headerName,
  integer,
  label,
  list,
  map,
  object,
  regex,
  resource,
  stringMatch,
  text,
  filled,
  type Schema,
} from './schema-parts.js';

const rate = object(
  {
    limit: integer(1),
    per: { type: 'string', format: 'limit-interval', expected: 'a duration from 50ms to 24h' },
    burst: integer(1),
  },
  ['limit', 'per'],
);

const match = object({
  path: stringMatch,
  method: stringMatch,
  headers: map(
    object({ exact: text, prefix: filled, regex }, [], { mostOneField: ['exact', 'prefix', 'regex'] }),
    headerName,
  ),
});

/** How many requests and connections workloads, or gateways, take. */
export const rateLimitSchema: Schema = resource(
  object({
    selector: workloadSelector,
    targetRefs: policyTargetRefs,
    requests: rate,
    connections: rate,
    rules: list(object({ name: label, match, requests: rate }, ['name', 'match', 'requests']), {
      maxItems: 100,
    }),
    perConnection: bool,
    status: integer(400, 599),
    responseHeaders: bool,
    dryRun: bool,
  }),
);
