import {
  filled,
  integer,
  label,
  labels,
  map,
  object,
  port,
  resource,
  text,
  list,
  type Schema,
} from './schema-parts.js';
import { workloadEntryFields } from './workload-entry.js';

/** What to run beside a sidecar, or (`address`) what runs already. */
export const workloadSchema: Schema = resource(
  object(
    {
      service: label,
      command: list(filled, { minItems: 1, expected: 'the program and its arguments, as a list' }),
      workingDirectory: text,
      env: map(
        { type: ['string', 'number', 'boolean'], expected: 'text' },
        {
          type: 'string',
          pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
          expected: 'the name of an environment variable',
        },
      ),
      ports: list(
        object(
          {
            name: label,
            port,
            protocol: {
              type: 'string',
              format: 'protocol',
              choices: ['HTTP', 'HTTP2', 'GRPC', 'TCP'],
              expected: 'one of HTTP, HTTP2, GRPC, TCP',
            },
          },
          ['name', 'port'],
        ),
      ),
      replicas: integer(0, 100),
      serviceAccount: label,
      labels,
      address: workloadEntryFields['address'] as Schema,
      locality: workloadEntryFields['locality'] as Schema,
      weight: integer(0, 1_000_000),
    },
    [],
    { oneField: ['command', 'address'] },
  ),
);
