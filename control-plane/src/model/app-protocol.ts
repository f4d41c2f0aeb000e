import type { AppProtocol } from './mesh-model.js';

const known: Readonly<Record<string, AppProtocol>> = {
  http: 'http',
  http2: 'http2',
  grpc: 'grpc',
  'grpc-web': 'grpc-web',
  https: 'https',
  tls: 'tls',
  tcp: 'tcp',
  mongo: 'tcp',
  mysql: 'tcp',
  redis: 'tcp',
  udp: 'udp',
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
};

/** What is spoken on a Service's port, by Istio's rules: appProtocol, else the part of the name before the first `-`, else TCP. */
export function portProtocol(port: {
  readonly name?: string | undefined;
  readonly protocol?: string | undefined;
  readonly appProtocol?: string | undefined;
}): AppProtocol {
  if (port.protocol === 'UDP') return 'udp';
  const declared = port.appProtocol === undefined ? undefined : known[port.appProtocol.toLowerCase()];
  if (declared !== undefined) return declared;
  const name = (port.name ?? '').toLowerCase();
  if (name === 'grpc-web' || name.startsWith('grpc-web-')) return 'grpc-web';
  return known[name.split('-')[0] ?? ''] ?? 'tcp';
}

/** `HTTP`, `GRPC-WEB`, … as ServiceEntry, Gateway and Workload name protocols. */
export function namedProtocol(name: string | undefined, portName: string): AppProtocol {
  if (name === undefined || name === '') return portProtocol({ name: portName });
  return known[name.toLowerCase()] ?? 'tcp';
}

/** Whether requests are seen, and so routed by rules of HTTP. */
export function isHttp(protocol: AppProtocol): protocol is 'http' | 'http2' | 'grpc' | 'grpc-web' {
  return protocol === 'http' || speaksHttp2(protocol);
}

/** Whether it is HTTP/2 that the application speaks: one for clients by gRPC-Web speaks gRPC. Source: Istio's `IsHTTP2`. */
export function speaksHttp2(protocol: AppProtocol): protocol is 'http2' | 'grpc' | 'grpc-web' {
  return protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';
}
