import {
  bool,
  duration,
  exportTo,
  filled,
  headerName,
  host,
  integer,
  label,
  labels,
  list,
  map,
  object,
  oneOf,
  percent,
  port,
  positiveDuration,
  refused,
  resource,
  secretName,
  text,
  type Schema,
} from './schema-parts.js';

const consistentHash = object(
  {
    httpHeaderName: headerName,
    httpCookie: object(
      {
        name: filled,
        path: text,
        ttl: duration,
        attributes: list(object({ name: filled, value: text }, ['name'])),
      },
      ['name'],
    ),
    useSourceIp: bool,
    httpQueryParameterName: filled,
    ringHash: object({ minimumRingSize: integer(0, 8_388_608) }),
    maglev: object({ tableSize: integer(0, 5_000_011) }),
    minimumRingSize: integer(0, 8_388_608),
  },
  [],
  {
    oneField: ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'],
    mostOneField: ['ringHash', 'maglev', 'minimumRingSize'],
  },
);

const localityPattern: Schema = {
  type: 'string',
  format: 'locality-pattern',
  expected: 'REGION, REGION/ZONE or REGION/ZONE/SUBZONE, with * for any',
};
const region: Schema = { type: 'string', format: 'region', expected: 'the name of a region' };

const loadBalancer = object(
  {
    simple: oneOf('UNSPECIFIED', 'ROUND_ROBIN', 'LEAST_REQUEST', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH'),
    consistentHash,
    localityLbSetting: object({
      distribute: list(
        object({ from: localityPattern, to: map(integer(1, 100), localityPattern) }, ['from', 'to']),
      ),
      failover: list(object({ from: region, to: region }, ['from', 'to'])),
      failoverPriority: list(filled),
      enabled: bool,
    }),
    warmupDurationSecs: duration,
    warmup: object(
      {
        duration,
        minimumPercent: percent,
        aggression: { type: 'number', minimum: 1, expected: 'a number of at least 1' },
      },
      ['duration'],
    ),
  },
  [],
  { mostOneField: ['simple', 'consistentHash'] },
);

const connectionPool = object({
  tcp: object({
    maxConnections: integer(1),
    connectTimeout: positiveDuration,
    tcpKeepalive: object({ probes: integer(1), time: positiveDuration, interval: positiveDuration }),
    maxConnectionDuration: positiveDuration,
    idleTimeout: duration,
  }),
  http: object({
    http1MaxPendingRequests: integer(1),
    http2MaxRequests: integer(1),
    maxRequestsPerConnection: integer(0),
    maxRetries: integer(0),
    idleTimeout: duration,
    h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: bool,
    maxConcurrentStreams: integer(1),
  }),
});

const outlierDetection = object({
  consecutiveErrors: integer(0),
  splitExternalLocalOriginErrors: bool,
  consecutiveLocalOriginFailures: integer(0),
  consecutiveGatewayErrors: integer(0),
  consecutive5xxErrors: integer(0),
  interval: positiveDuration,
  baseEjectionTime: positiveDuration,
  maxEjectionPercent: integer(0, 100),
  minHealthPercent: integer(0, 100),
});

const tls = object(
  {
    mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
    clientCertificate: filled,
    privateKey: filled,
    caCertificates: filled,
    credentialName: secretName,
    subjectAltNames: list(filled),
    sni: { type: 'string', format: 'dns-name', expected: 'a host name' },
    insecureSkipVerify: bool,
    caCrl: filled,
  },
  ['mode'],
);

const settings = { loadBalancer, connectionPool, outlierDetection, tls };

const trafficPolicy = object({
  ...settings,
  portLevelSettings: list(object({ ...settings, port: object({ number: port }, ['number']) }, ['port'])),
  tunnel: refused(
    object({ protocol: text, targetHost: text, targetPort: port }),
    'tunnels are not built yet',
  ),
  proxyProtocol: object({ version: oneOf('V1', 'V2') }),
  retryBudget: object({ percent, minRetryConcurrency: integer(0) }),
});

export const destinationRuleSchema: Schema = resource(
  object(
    {
      host,
      trafficPolicy,
      subsets: list(object({ name: label, labels, trafficPolicy }, ['name'])),
      exportTo,
      workloadSelector: object({ matchLabels: labels }, ['matchLabels']),
    },
    ['host'],
  ),
);
