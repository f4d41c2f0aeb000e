import { bool, metadata, object, text, type Schema } from './schema-parts.js';

const values: Schema = {
  type: 'object',
  additionalProperties: {
    type: 'string',
    maxLength: 1_048_576,
    hidden: true,
    expected: 'text in quotation marks or as a block (|)',
  },
  maxProperties: 100,
  propertyNames: {
    type: 'string',
    pattern: '^[-._a-zA-Z0-9]{1,253}$',
    expected: 'letters, digits, -, _ and .',
  },
  hidden: true,
  expected: 'an object of names and texts',
};

/** A Secret of Kubernetes, of which gateways take certificates. No message about it may show what it holds. */
export const secretSchema: Schema = object(
  { apiVersion: text, kind: text, metadata, type: text, data: values, stringData: values, immutable: bool },
  ['metadata'],
  { hidden: true },
);
