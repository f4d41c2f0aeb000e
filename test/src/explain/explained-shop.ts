/** What the proxies and applications of the explained shop listen on. */
export interface ShopPorts {
  readonly v1: number;
  readonly v2: number;
  readonly ratings: readonly number[];
}

/** A mesh that uses about everything that decides over requests: for tests that compare what is told with what is done. */
export function shopYaml(ports: ShopPorts, jwks: string): string {
  return [
    service('reviews'),
    service('ratings'),
    service('gone'),
    entry('reviews-v1', 'reviews', 'v1', ports.v1, true),
    entry('reviews-v2', 'reviews', 'v2', ports.v2, false),
    ...ports.ratings.map((port, i) => entry(`ratings-${i}`, 'ratings', 'v1', port, false)),
    ROUTES,
    policies(jwks),
  ].join('\n---\n');
}

/** Of each hour, as the RateLimit of the shop has it. */
export const LIMITED_REQUESTS = 7;

function service(name: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: http }]`;
}

function entry(name: string, app: string, version: string, port: number, hasSidecar: boolean): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: ${name}-1
  labels: { app: ${app}, version: ${version}, service.istio.io/workload-name: ${name} }
spec:
  address: 127.0.0.1
  ports: { http: ${port} }
  labels: { app: ${app}, version: ${version}${hasSidecar ? ', security.istio.io/tlsMode: istio' : ''} }
  serviceAccount: ${app}`;
}

const ROUTES = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
    - { name: nobody, labels: { version: v9 } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ratings }
spec:
  host: ratings
  trafficPolicy:
    loadBalancer: { consistentHash: { httpHeaderName: x-user } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - name: teapot
      match:
        - uri: { exact: /teapot }
          method: { regex: 'GET|POST' }
      directResponse: { status: 418, body: { string: short and stout } }
    - name: moved
      match: [{ uri: { prefix: /old } }]
      redirect: { uri: /new, authority: elsewhere.example, redirectCode: 308 }
    - name: broken
      match: [{ headers: { x-break: { exact: always } } }]
      fault: { abort: { httpStatus: 555, percentage: { value: 100 } } }
      route: [{ destination: { host: reviews, subset: v2 } }]
    - name: shaky
      match: [{ headers: { x-break: { exact: half } } }]
      fault:
        abort: { httpStatus: 556, percentage: { value: 50 } }
        delay: { fixedDelay: 0.002s, percentage: { value: 30 } }
      route: [{ destination: { host: reviews, subset: v2 } }]
    - name: by-query
      match:
        - queryParams: { version: { exact: two } }
        - { name: any-case, uri: { prefix: /Two, }, ignoreUriCase: true }
      rewrite: { uri: /rewritten/ }
      timeout: 3s
      retries: { attempts: 3, perTryTimeout: 1s, retryOn: '5xx,409' }
      route:
        - destination: { host: reviews, subset: v2 }
          headers:
            request: { set: { x-subset: two }, remove: [x-noise] }
            response: { set: { x-answered-by: two } }
    - name: regex
      match: [{ uri: { regex: '/items/[0-9]+(/.*)?' } }]
      rewrite: { uriRegexRewrite: { match: '^/items/([0-9]+)', rewrite: '/i/\\\\1' }, authority: items.internal }
      route: [{ destination: { host: reviews, subset: v1 } }]
    - name: nowhere
      match: [{ uri: { prefix: /nowhere } }]
      route: [{ destination: { host: reviews, subset: missing } }]
    - name: empty
      match: [{ uri: { prefix: /empty } }]
      route: [{ destination: { host: reviews, subset: nobody } }]
    - name: users
      match:
        - headers: { x-user: { prefix: ja } }
          uri: { prefix: / }
        - headers: { x-user: { regex: '[a-c].*' }, x-noise: { exact: loud } }
      headers:
        request: { set: { x-route: users }, add: { x-extra: 'more' } }
      route:
        - { destination: { host: reviews, subset: v1 }, weight: 30 }
        - { destination: { host: reviews, subset: v2 }, weight: 70, headers: { request: { set: { x-chosen: v2 } } } }
    - name: quiet
      match: [{ withoutHeaders: { x-user: {} }, uri: { prefix: /quiet } }]
      route: [{ destination: { host: ratings } }]
    - route: [{ destination: { host: reviews, subset: v1 } }]
`;

function policies(jwks: string): string {
  return `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: closed }
spec:
  selector: { matchLabels: { version: v1 } }
  action: DENY
  rules:
    - to: [{ operation: { paths: [/secret*, '*/secret'], notMethods: [GET] } }]
    - when: [{ key: 'request.headers[x-user]', values: [mallory] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: open }
spec:
  selector: { matchLabels: { version: v1 } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/caller] } }]
      to: [{ operation: { methods: [GET, POST, OPTIONS] } }]
    - from: [{ source: { requestPrincipals: ['https://issuer.example/*'] } }]
      to: [{ operation: { methods: [PUT] } }]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens }
spec:
  selector: { matchLabels: { version: v1 } }
  jwtRules:
    - issuer: https://issuer.example
      jwks: '${jwks}'
      forwardOriginalToken: true
      outputClaimToHeaders: [{ header: x-sub, claim: sub }]
---
apiVersion: heddle.dev/v1alpha1
kind: RateLimit
metadata: { name: limited }
spec:
  selector: { matchLabels: { version: v1 } }
  rules:
    - name: limited
      match: { path: { prefix: /limited } }
      requests: { limit: ${LIMITED_REQUESTS}, per: 1h }
`;
}
