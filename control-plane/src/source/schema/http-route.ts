import {
  anything,
  duration,
  envoyOnly,
  filled,
  headerName,
  host,
  integer,
  label,
  list,
  nonEmptyList,
  notYet,
  object,
  oneOf,
  port,
  refused,
  resource,
  subdomain,
  text,
  type Schema,
} from './schema-parts.js';

const headers = list(object({ name: headerName, value: text }, ['name', 'value']));
const headerModifier = object({ set: headers, add: headers, remove: list(headerName) });

const pathModifier = object(
  { type: oneOf('ReplaceFullPath', 'ReplacePrefixMatch'), replaceFullPath: text, replacePrefixMatch: text },
  ['type'],
  {
    oneField: ['replaceFullPath', 'replacePrefixMatch'],
  },
);

const backendFields = {
  group: text,
  kind: {
    type: 'string',
    enum: ['Service', 'Hostname'],
    expected: 'Service (or Hostname, for a ServiceEntry)',
  },
  name: filled,
  namespace: label,
  port,
};

const filter = object(
  {
    type: oneOf(
      'RequestHeaderModifier',
      'ResponseHeaderModifier',
      'RequestMirror',
      'RequestRedirect',
      'URLRewrite',
      'ExtensionRef',
      'CORS',
    ),
    requestHeaderModifier: headerModifier,
    responseHeaderModifier: headerModifier,
    requestMirror: envoyOnly(
      object(
        {
          backendRef: object(backendFields, ['name']),
          percent: integer(0, 100),
          fraction: object({ numerator: integer(0), denominator: integer(1) }, ['numerator']),
        },
        ['backendRef'],
      ),
    ),
    requestRedirect: object({
      scheme: oneOf('http', 'https'),
      hostname: host,
      path: pathModifier,
      port,
      statusCode: { type: 'integer', enum: [301, 302, 303, 307, 308], expected: '301, 302, 303, 307 or 308' },
    }),
    urlRewrite: object({ hostname: host, path: pathModifier }),
    extensionRef: refused(anything, 'there are no extension filters'),
    cors: refused(anything, 'CORS by HTTPRoute is not built yet; use VirtualService corsPolicy'),
  },
  ['type'],
  { fieldOfType: true },
);

const match = object({
  path: object({
    type: oneOf('Exact', 'PathPrefix', 'RegularExpression'),
    value: { ...text, maxLength: 1024 },
  }),
  headers: list(
    object({ type: oneOf('Exact', 'RegularExpression'), name: headerName, value: text }, ['name', 'value']),
  ),
  queryParams: list(
    object({ type: oneOf('Exact', 'RegularExpression'), name: filled, value: text }, ['name', 'value']),
  ),
  method: oneOf('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'),
});

const rule = object({
  name: subdomain,
  matches: list(match),
  filters: list(filter),
  backendRefs: list(
    object({ ...backendFields, weight: integer(0, 1_000_000), filters: list(filter) }, ['name']),
  ),
  timeouts: object({ request: duration, backendRequest: duration }),
  retry: object({ codes: list(integer(400, 599)), attempts: integer(0, 1_000), backoff: duration }),
  sessionPersistence: notYet(anything),
});

export const httpRouteSchema: Schema = resource(
  object(
    {
      parentRefs: nonEmptyList(
        object(
          {
            group: text,
            kind: oneOf('Gateway', 'Service'),
            name: subdomain,
            namespace: label,
            sectionName: label,
            port,
          },
          ['name'],
        ),
      ),
      hostnames: list(host),
      rules: list(rule),
      useDefaultGateways: notYet(text),
    },
    ['parentRefs'],
  ),
);
