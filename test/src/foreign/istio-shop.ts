import type { IstioSidecar } from './istio-bootstrap.js';

/** Ports of this machine that the shop's configuration names. */
export interface IstioShopPorts {
  /** Where `web` reaches `api` through its sidecar. */
  readonly outbound: number;
  /** Where the sidecar of `api` listens. */
  readonly inbound: number;
  /** Where `api` itself listens. */
  readonly application: number;
}

export interface IstioShopOptions {
  readonly ports: IstioShopPorts;
  /** Said by every answer, in a header that the routes set. */
  readonly generation: string;
}

export const SHOP = 'shop';
export const API_HOST = 'api.shop.svc.cluster.local';

export const WEB: IstioSidecar = {
  name: 'web-1',
  namespace: SHOP,
  serviceAccount: 'web',
  address: '10.0.0.1',
  labels: { app: 'web' },
};

export const API: IstioSidecar = {
  name: 'api-1',
  namespace: SHOP,
  serviceAccount: 'api',
  address: '127.0.0.1',
  labels: { app: 'api', version: 'v1' },
};

/** Two workloads in Istio's YAML: `web` calls `api`, with mutual TLS alone and by a policy that names who may. */
export function istioShop({ ports, generation }: IstioShopOptions): string {
  const { outbound, inbound, application } = ports;
  return documents(
    object('networking.istio.io/v1', 'ServiceEntry', 'api', {
      hosts: [API_HOST],
      addresses: ['10.96.0.10'],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      // A listener of its own stands for services that have its port.
      ports: [{ number: outbound, name: 'http', protocol: 'HTTP', targetPort: inbound }],
      workloadSelector: { labels: { app: 'api' } },
    }),
    object('networking.istio.io/v1', 'WorkloadEntry', 'api-1', {
      address: '127.0.0.1',
      labels: { app: 'api', version: 'v1', 'security.istio.io/tlsMode': 'istio' },
      serviceAccount: 'api',
    }),
    object('networking.istio.io/v1', 'Sidecar', 'web', {
      workloadSelector: { labels: { app: 'web' } },
      egress: [
        { port: { number: outbound, protocol: 'HTTP', name: 'http' }, bind: '127.0.0.1', hosts: ['./*'] },
      ],
    }),
    object('networking.istio.io/v1', 'Sidecar', 'api', {
      workloadSelector: { labels: { app: 'api' } },
      ingress: [
        {
          port: { number: inbound, protocol: 'HTTP', name: 'http' },
          bind: '127.0.0.1',
          defaultEndpoint: `127.0.0.1:${application}`,
        },
      ],
      egress: [
        { hosts: ['./*'], port: { number: 15_999, protocol: 'HTTP', name: 'unused' }, bind: '127.0.0.1' },
      ],
    }),
    object('networking.istio.io/v1', 'DestinationRule', 'api', {
      host: API_HOST,
      trafficPolicy: {
        connectionPool: { http: { http2MaxRequests: 100, maxRequestsPerConnection: 0 } },
        outlierDetection: { consecutive5xxErrors: 5, interval: '10s', baseEjectionTime: '30s' },
      },
      subsets: [{ name: 'v1', labels: { version: 'v1' } }],
    }),
    object('networking.istio.io/v1', 'VirtualService', 'api', {
      hosts: [API_HOST],
      http: [
        {
          match: [{ uri: { prefix: '/broken' } }],
          fault: { abort: { httpStatus: 418, percentage: { value: 100 } } },
          route: [{ destination: { host: API_HOST, port: { number: outbound } } }],
        },
        {
          corsPolicy: {
            allowOrigins: [{ exact: 'https://shop.example' }],
            allowMethods: ['GET', 'PUT'],
            maxAge: '60s',
          },
          timeout: '5s',
          retries: { attempts: 2, retryOn: 'connect-failure,refused-stream,503' },
          headers: { response: { set: { 'x-generation': generation } } },
          route: [{ destination: { host: API_HOST, subset: 'v1', port: { number: outbound } } }],
        },
      ],
    }),
    object('security.istio.io/v1', 'PeerAuthentication', 'default', { mtls: { mode: 'STRICT' } }),
    object('security.istio.io/v1', 'AuthorizationPolicy', 'api', {
      selector: { matchLabels: { app: 'api' } },
      action: 'ALLOW',
      rules: [
        {
          from: [{ source: { principals: [`cluster.local/ns/${SHOP}/sa/web`] } }],
          to: [{ operation: { notPaths: ['/closed*'] } }],
        },
      ],
    }),
  );
}

/** As Istio's installation sets it, but for where the listeners are that traffic is led to. */
export function istioMeshConfig(
  listeners: { readonly outbound: number; readonly inbound: number },
  options: {
    readonly metrics?: readonly string[];
    readonly accessLog?: string;
    readonly tracing?: boolean;
  } = {},
): string {
  const { metrics = ['prometheus'], accessLog = '/dev/stdout', tracing = true } = options;
  return JSON.stringify({
    accessLogFile: accessLog,
    accessLogEncoding: 'JSON',
    defaultProviders: { metrics },
    enableTracing: tracing,
    enablePrometheusMerge: true,
    proxyListenPort: listeners.outbound,
    proxyInboundListenPort: listeners.inbound,
    rootNamespace: 'istio-system',
    trustDomain: 'cluster.local',
  });
}

function object(apiVersion: string, kind: string, name: string, spec: object): object {
  return { apiVersion, kind, metadata: { name, namespace: SHOP }, spec };
}

/** JSON is YAML. */
function documents(...objects: readonly object[]): string {
  return objects.map((one) => JSON.stringify(one)).join('\n---\n');
}
