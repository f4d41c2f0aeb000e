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
  type Fields,
  type Schema,
} from './schema-parts.js';

/** Also the form of a ServiceEntry's endpoints. */
export const workloadEntryFields: Fields = {
  address: { ...filled, maxLength: 255, format: 'address', expected: 'an IP address or a host name' },
  ports: map(port),
  labels,
  network: text,
  locality: { type: 'string', format: 'locality', expected: 'REGION, REGION/ZONE or REGION/ZONE/SUBZONE' },
  weight: integer(0, 1_000_000),
  serviceAccount: label,
};

export const workloadEntrySchema: Schema = resource(object(workloadEntryFields, ['address']));
