import {
  anything,
  filled,
  label,
  labels,
  list,
  nonEmptyList,
  notYet,
  object,
  port,
  refused,
  resource,
  text,
  type Schema,
} from './schema-parts.js';

const protocols = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'TCP', 'HTTPS', 'TLS', 'MONGO'];

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
    tls: refused(
      anything,
      'TLS at gateways is not built yet, and serving this port in plain text instead would be unsafe',
    ),
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
    protocol: { type: 'string', enum: ['HTTP', 'TCP', 'HTTPS', 'TLS', 'UDP'], expected: 'HTTP (or TCP)' },
    tls: refused(
      anything,
      'TLS at gateways is not built yet, and serving this port in plain text instead would be unsafe',
    ),
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
      backendTLS: refused(anything, 'TLS towards services is not built yet'),
      tls: refused(anything, 'TLS at gateways is not built yet'),
      defaultScope: notYet(text),
    },
    ['gatewayClassName', 'listeners'],
  ),
);
