/**
 * What translation may know of a proxy, and nothing else: two proxies with equal views get the very same resources, so
 * the view's key is the cache key. Built from the xDS `Node` (or, later, from the proxy's identity) in `proxy-view.ts` only.
 */
export interface ProxyView {
  readonly role: 'sidecar' | 'gateway';
  readonly namespace: string;
  /** The workload's labels, by which services select it and gateways and policies apply. */
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly workloadName: string;
  /** How traffic gets into the proxy. Istio's names: REDIRECT and TPROXY are transparent, NONE is explicit. */
  readonly interception: 'NONE' | 'REDIRECT' | 'TPROXY';
  /** Only with interception NONE. */
  readonly explicit: ExplicitPorts | undefined;
}

/**
 * The ports of a proxy whose application is told where to connect, instead of being intercepted.
 *
 * Source: node metadata `HEDDLE_EXPLICIT`. All on `bindAddress` (127.0.0.1 where nothing better can be had).
 */
export interface ExplicitPorts {
  readonly bindAddress: string;
  /** What others reach the application by: `listen` is ours, `application` is where the application really listens. */
  readonly inbound: readonly {
    readonly name: string;
    readonly listen: number;
    readonly application: number;
  }[];
  /** A port of ours for each service port, by `HOSTNAME:PORT` (`reviews.default.svc.cluster.local:9080`). */
  readonly outbound: Readonly<Record<string, number>>;
  /** A port that takes any service by the Host header or an absolute URL (HTTP_PROXY); 0: none. */
  readonly httpProxy: number;
  /** A gateway's real ports, by the port number that `Gateway` servers name: `{ "8080": 18080 }`. Absent: as written. */
  readonly gatewayPorts: Readonly<Record<string, number>>;
}
