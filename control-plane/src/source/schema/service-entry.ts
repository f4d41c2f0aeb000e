import {
  exportTo,
  filled,
  host,
  label,
  labels,
  list,
  nonEmptyList,
  object,
  oneOf,
  port,
  resource,
  type Schema,
} from './schema-parts.js';
import { workloadEntryFields } from './workload-entry.js';

const protocols = [
  'HTTP',
  'HTTPS',
  'HTTP2',
  'GRPC',
  'GRPC-WEB',
  'TCP',
  'TLS',
  'MONGO',
  'MYSQL',
  'REDIS',
  'UDP',
];

export const serviceEntrySchema: Schema = resource(
  object(
    {
      hosts: nonEmptyList(host),
      addresses: list({
        type: 'string',
        format: 'cidr',
        expected: 'an IP address or a range such as 10.0.0.0/8',
      }),
      ports: list(
        object(
          {
            number: port,
            protocol: {
              type: 'string',
              format: 'protocol',
              choices: protocols,
              expected: `one of ${protocols.join(', ')}`,
            },
            name: label,
            targetPort: port,
          },
          ['number', 'name'],
        ),
      ),
      location: oneOf('MESH_EXTERNAL', 'MESH_INTERNAL'),
      resolution: oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN'),
      endpoints: list(object(workloadEntryFields)),
      workloadSelector: object({ labels }, ['labels']),
      exportTo,
      subjectAltNames: list(filled),
    },
    ['hosts', 'ports'],
    { mostOneField: ['endpoints', 'workloadSelector'] },
  ),
);
