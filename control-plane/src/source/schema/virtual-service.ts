import {
  bool,
  choice,
  destination,
  duration,
  envoyOnly,
  exportTo,
  filled,
  headerEdits,
  headerName,
  host,
  integer,
  label,
  labels,
  list,
  map,
  nonEmptyList,
  notYet,
  object,
  oneOf,
  percent,
  port,
  positiveDuration,
  refused,
  regex,
  resource,
  stringMatch,
  subdomain,
  text,
  type Schema,
} from './schema-parts.js';

const gatewayName: Schema = {
  type: 'string',
  format: 'gateway-name',
  expected: 'mesh, the name of a Gateway, or NAMESPACE/NAME',
};

/** Also `{}`, which asks that the header is there. */
const headerMatch: Schema = object({ exact: text, prefix: filled, regex }, [], {
  mostOneField: ['exact', 'prefix', 'regex'],
});

const httpMatch = object({
  name: text,
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: map(headerMatch, headerName),
  withoutHeaders: map(headerMatch, headerName),
  port,
  sourceLabels: labels,
  sourceNamespace: label,
  gateways: list(gatewayName),
  queryParams: map(headerMatch),
  ignoreUriCase: bool,
  statPrefix: notYet(text),
});

const percentage = object({ value: percent }, ['value']);
const mirror = object({ destination, percentage }, ['destination']);

const fault = object(
  {
    delay: object(
      {
        fixedDelay: positiveDuration,
        percentage,
        percent: integer(0, 100),
        exponentialDelay: refused(duration, 'exponentialDelay does not exist in Envoy; use fixedDelay'),
      },
      ['fixedDelay'],
    ),
    abort: object(
      {
        httpStatus: integer(200, 599),
        grpcStatus: refused(text, 'faults by gRPC status are not built yet; use httpStatus'),
        http2Error: refused(text, 'faults by HTTP/2 error do not exist in Envoy; use httpStatus'),
        percentage,
        percent: integer(0, 100),
      },
      ['httpStatus'],
    ),
  },
  [],
);

const http = object(
  {
    name: text,
    match: list(httpMatch),
    route: nonEmptyList(object({ destination, weight: integer(0), headers: headerEdits }, ['destination'])),
    redirect: object(
      {
        uri: text,
        authority: text,
        port,
        derivePort: oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'),
        scheme: oneOf('http', 'https'),
        redirectCode: {
          type: 'integer',
          enum: [301, 302, 303, 307, 308],
          expected: '301, 302, 303, 307 or 308',
        },
      },
      [],
      { mostOneField: ['port', 'derivePort'] },
    ),
    directResponse: object(
      {
        status: integer(200, 599),
        body: choice({ string: { ...text, maxLength: 1_048_576 }, bytes: { ...text, maxLength: 1_048_576 } }),
      },
      ['status'],
    ),
    delegate: refused(
      object({ name: subdomain, namespace: label }),
      'delegation is not built yet; write the routes here',
    ),
    rewrite: object(
      {
        uri: text,
        authority: text,
        uriRegexRewrite: object({ match: regex, rewrite: text }, ['match', 'rewrite']),
      },
      [],
      { mostOneField: ['uri', 'uriRegexRewrite'] },
    ),
    timeout: duration,
    retries: object(
      {
        attempts: integer(0, 1_000),
        perTryTimeout: duration,
        retryOn: text,
        retryRemoteLocalities: notYet(bool),
        retryIgnorePreviousHosts: bool,
        backoff: positiveDuration,
      },
      [],
    ),
    fault,
    mirror: envoyOnly(destination),
    mirrors: envoyOnly(list(mirror)),
    mirrorPercent: integer(0, 100),
    mirror_percent: integer(0, 100),
    mirrorPercentage: percentage,
    corsPolicy: envoyOnly(
      object({
        allowOrigin: list(text),
        allowOrigins: list(stringMatch),
        allowMethods: list(filled),
        allowHeaders: list(filled),
        exposeHeaders: list(filled),
        maxAge: duration,
        allowCredentials: bool,
        unmatchedPreflights: notYet(oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE')),
      }),
    ),
    headers: headerEdits,
  },
  [],
  { oneField: ['route', 'redirect', 'directResponse', 'delegate'] },
);

const l4Destination = object({ destination, weight: integer(0) }, ['destination']);

export const virtualServiceSchema: Schema = resource(
  object(
    {
      hosts: nonEmptyList(host),
      gateways: list(gatewayName),
      http: list(http),
      tcp: list(
        object(
          {
            match: list(
              object({
                port,
                gateways: list(gatewayName),
                sourceLabels: refused(labels, 'TCP matching by source is not built yet'),
                sourceNamespace: refused(label, 'TCP matching by source is not built yet'),
                sourceSubnet: refused(text, 'TCP matching by source is not built yet'),
                destinationSubnets: refused(
                  list(text),
                  'TCP matching by destination subnet is not built yet',
                ),
              }),
            ),
            route: nonEmptyList(l4Destination),
          },
          ['route'],
        ),
      ),
      tls: list(
        object(
          {
            match: nonEmptyList(
              object(
                {
                  sniHosts: nonEmptyList(host),
                  port,
                  gateways: list(gatewayName),
                  destinationSubnets: refused(list(text), 'matching by destination subnet is not built yet'),
                  sourceLabels: refused(labels, 'TLS matching by source is not built yet'),
                  sourceNamespace: refused(label, 'TLS matching by source is not built yet'),
                },
                ['sniHosts'],
              ),
            ),
            route: nonEmptyList(l4Destination),
          },
          ['match', 'route'],
        ),
      ),
      exportTo,
    },
    ['hosts'],
  ),
);
