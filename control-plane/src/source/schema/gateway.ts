import {
  anything,
  bool,
  filled,
  label,
  labels,
  list,
  map,
  nonEmptyList,
  notYet,
  object,
  oneOf,
  port,
  refused,
  resource,
  secretName,
  text,
  type Schema,
} from './schema-parts.js';

/** Source: those that Envoy takes; TLS 1.3 has its own, which are not chosen. */
const cipherSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
];

const protocols = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'TCP', 'HTTPS', 'TLS', 'MONGO'];

const version: Schema = {
  type: 'string',
  enum: ['TLS_AUTO', 'TLSV1_2', 'TLSV1_3'],
  expected: 'TLS_AUTO, TLSV1_2 or TLSV1_3: older versions are not served',
};

/** Istio's ServerTLSSettings. */
const serverTls = object(
  {
    httpsRedirect: bool,
    mode: oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'),
    serverCertificate: filled,
    privateKey: filled,
    caCertificates: filled,
    credentialName: secretName,
    credentialNames: list(secretName, { minItems: 1, maxItems: 2, expected: 'a list of one or two Secrets' }),
    subjectAltNames: list(filled),
    verifyCertificateSpki: list({
      type: 'string',
      pattern: '^[A-Za-z0-9+/]{43}=$',
      expected: 'the SHA-256 of a public key in base64',
    }),
    verifyCertificateHash: list({
      type: 'string',
      pattern: '^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$',
      expected: 'the SHA-256 of a certificate in hexadecimal',
    }),
    minProtocolVersion: version,
    maxProtocolVersion: version,
    cipherSuites: list(oneOf(...cipherSuites)),
    caCrl: filled,
  },
  [],
  { mostOneField: ['credentialName', 'credentialNames'] },
);

const server = object(
  {
    port: object(
      {
        number: port,
        name: filled,
        protocol: {
          type: 'string',
          format: 'protocol',
          choices: protocols,
          expected: `one of ${protocols.join(', ')}`,
        },
        targetPort: notYet(port),
      },
      ['number', 'name', 'protocol'],
    ),
    bind: notYet(text),
    hosts: nonEmptyList({
      type: 'string',
      format: 'gateway-host',
      expected: 'a host name, *, *.example.com, or NAMESPACE/HOST',
    }),
    tls: serverTls,
    defaultEndpoint: notYet(text),
    name: label,
  },
  ['port', 'hosts'],
);

/** Istio's Gateway. */
export const gatewaySchema: Schema = resource(
  object({ selector: labels, servers: nonEmptyList(server) }, ['servers']),
);

const listener = object(
  {
    name: label,
    hostname: { type: 'string', format: 'host', expected: 'a host name or *.example.com' },
    port,
    protocol: {
      type: 'string',
      enum: ['HTTP', 'TCP', 'HTTPS', 'TLS', 'UDP'],
      expected: 'HTTP, HTTPS, TLS or TCP',
    },
    tls: object({
      mode: oneOf('Terminate', 'Passthrough'),
      certificateRefs: list(
        object(
          {
            group: {
              type: 'string',
              enum: [''],
              expected: 'no group: certificates are taken from Secrets alone',
            },
            kind: oneOf('Secret'),
            name: secretName,
            namespace: label,
          },
          ['name'],
        ),
        { maxItems: 2, expected: 'a list of one or two Secrets' },
      ),
      options: notYet(map(text)),
      frontendValidation: refused(
        anything,
        'certificates of clients are asked for by an Istio Gateway with mode MUTUAL',
      ),
    }),
    allowedRoutes: object({
      namespaces: object({
        from: { type: 'string', enum: ['All', 'Same', 'Selector', 'None'], expected: 'All, Same or None' },
        selector: refused(anything, 'choosing namespaces by labels is not built yet; use All or Same'),
      }),
      kinds: list(object({ group: text, kind: filled }, ['kind'])),
    }),
  },
  ['name', 'port', 'protocol'],
);

/** The Gateway of gateway.networking.k8s.io. */
export const kubernetesGatewaySchema: Schema = resource(
  object(
    {
      gatewayClassName: filled,
      listeners: nonEmptyList(listener),
      addresses: notYet(list(object({ type: text, value: text }))),
      infrastructure: notYet(anything),
      allowedListeners: notYet(anything),
      backendTLS: refused(anything, 'certificates towards services are named by a DestinationRule'),
      tls: refused(anything, 'certificates of clients are asked for by an Istio Gateway with mode MUTUAL'),
      defaultScope: notYet(text),
    },
    ['gatewayClassName', 'listeners'],
  ),
);
