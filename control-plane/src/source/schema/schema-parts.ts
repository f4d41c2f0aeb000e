/**
 * The words that our schemas are written in: JSON Schema, plus keywords of our own.
 *
 * `expected` is what a user is told to write. `oneField` and `mostOneField` name fields of which exactly (at most) one may be set.
 * `notYet` accepts a field with a warning that it has no force; `refused` is an error with its reason, for fields whose
 * silent loss would open a door or send requests elsewhere. `hidden` values are shown in no message.
 */
export interface Schema {
  readonly [keyword: string]: unknown;
}

export type Fields = Readonly<Record<string, Schema>>;

export const text: Schema = { type: 'string', maxLength: 4096, expected: 'text' };
export const filled: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 4096,
  expected: 'text that is not empty',
};
export const bool: Schema = { type: 'boolean', expected: 'true or false' };
export const anything: Schema = {};
export const duration: Schema = {
  type: 'string',
  format: 'duration',
  expected: 'a duration such as 250ms, 1.5s or 1m',
};
export const positiveDuration: Schema = {
  type: 'string',
  format: 'positive-duration',
  expected: 'a duration above zero such as 250ms, 1.5s or 1m',
};
export const port: Schema = {
  type: 'integer',
  minimum: 1,
  maximum: 65_535,
  expected: 'a port number from 1 to 65535',
};
export const portOrName: Schema = {
  type: ['integer', 'string'],
  minimum: 1,
  maximum: 65_535,
  minLength: 1,
  maxLength: 63,
  expected: 'a port number from 1 to 65535 or the name of a port',
};
export const label: Schema = {
  type: 'string',
  format: 'dns-label',
  expected:
    'a name of lower-case letters, digits and -, at most 63, that begins and ends with a letter or digit',
};
export const subdomain: Schema = {
  type: 'string',
  format: 'dns-name',
  expected:
    'a name of lower-case letters, digits, - and ., at most 253, that begins and ends with a letter or digit',
};
/** A Secret's name, or another source of certificates as Istio writes it, which Heddle refuses by its scheme. */
export const secretName: Schema = {
  type: 'string',
  format: 'dns-name',
  expected: 'the name of a Secret in the namespace of the gateway',
};
export const host: Schema = {
  type: 'string',
  format: 'host',
  expected: 'a host name (reviews, reviews.default.svc.cluster.local, *.example.com)',
};
export const regex: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 1024,
  format: 're2',
  expected: 'a regular expression in RE2 syntax, at most 1024 characters',
};
export const headerName: Schema = {
  type: 'string',
  format: 'header-name',
  expected: "the name of an HTTP header (letters, digits and !#$%&'*+-.^_`|~)",
};
export const percent: Schema = {
  type: 'number',
  minimum: 0,
  maximum: 100,
  expected: 'a number from 0 to 100',
};

export function integer(minimum = 0, maximum = 4_294_967_295): Schema {
  const upTo = maximum === 4_294_967_295 ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  return { type: 'integer', minimum, maximum, expected: `a whole number ${upTo}` };
}

export function object(properties: Fields, required: readonly string[] = [], more: Schema = {}): Schema {
  return {
    type: 'object',
    properties,
    required,
    additionalProperties: false,
    expected: 'an object',
    ...more,
  };
}

export function list(items: Schema, more: Schema = {}): Schema {
  return { type: 'array', items, maxItems: 10_000, expected: 'a list', ...more };
}

export function nonEmptyList(items: Schema): Schema {
  return list(items, { minItems: 1, expected: 'a list with at least one entry' });
}

export function map(values: Schema, names?: Schema): Schema {
  return {
    type: 'object',
    additionalProperties: values,
    maxProperties: 1_000,
    expected: 'an object of names and values',
    ...(names === undefined ? {} : { propertyNames: names }),
  };
}

export function oneOf(...values: readonly string[]): Schema {
  return { type: 'string', enum: values, expected: `one of ${values.join(', ')}` };
}

/** Exactly one of the fields. */
export function choice(properties: Fields, more: Schema = {}): Schema {
  return object(properties, [], { oneField: Object.keys(properties), ...more });
}

export function notYet(schema: Schema, effect = 'is accepted, but not in force yet'): Schema {
  return { ...schema, notYet: effect };
}

/** What is translated in full, but not done by our own proxy. */
export function envoyOnly(schema: Schema): Schema {
  return notYet(schema, 'is in force at Envoy; heddle-proxy passes over it for now');
}

export function refused(schema: Schema, reason: string): Schema {
  return { ...schema, refused: reason };
}

export const labels: Schema = map(
  {
    type: 'string',
    format: 'label-value',
    expected:
      'a label value: at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit',
  },
  { type: 'string', format: 'label-name', expected: 'a label name such as app or example.com/app' },
);

/** Who sees a resource: namespaces, `*` for all, `.` for its own. */
export const exportTo: Schema = list({
  type: 'string',
  format: 'export-to',
  expected: '*, ., or a namespace',
});

export const metadata: Schema = object(
  {
    name: subdomain,
    namespace: label,
    labels,
    annotations: map({ type: 'string', maxLength: 262_144, expected: 'text' }),
    // What the Kubernetes API writes into a resource, so that its output can be used as it is.
    uid: text,
    resourceVersion: text,
    generation: { type: 'integer', expected: 'a whole number' },
    creationTimestamp: { type: ['string', 'null'], expected: 'a time' },
    deletionTimestamp: { type: ['string', 'null'], expected: 'a time' },
    deletionGracePeriodSeconds: { type: 'integer', expected: 'a whole number' },
    generateName: text,
    selfLink: text,
    managedFields: list(anything),
    ownerReferences: list(anything),
    finalizers: list(text),
  },
  ['name'],
);

/** A whole resource. */
export function resource(spec: Schema, needed = true): Schema {
  return object(
    { apiVersion: text, kind: text, metadata, spec, status: anything },
    needed ? ['metadata', 'spec'] : ['metadata'],
  );
}

/** Istio's StringMatch. */
export const stringMatch: Schema = choice({ exact: text, prefix: filled, regex });

const headerEdit = object({
  set: map(text, headerName),
  add: map(text, headerName),
  remove: list(headerName),
});
/** Istio's Headers. */
export const headerEdits: Schema = object({ request: headerEdit, response: headerEdit });

/** Istio's Destination. */
export const destination: Schema = object(
  { host, subset: label, port: object({ number: port }, ['number']) },
  ['host'],
);
