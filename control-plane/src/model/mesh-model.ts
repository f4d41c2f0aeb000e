import type { AuthorizationPolicy } from './authorization-policy.js';
import type { TlsSecret } from './build-secrets.js';
import type { CanaryConfig } from './canary.js';
import type { HttpRoute } from './http-route.js';
import type { KeySets } from './key-sets.js';
import type { MeshSettings } from './mesh-settings.js';
import type { PeerAuthentication } from './peer-authentication.js';
import type { PolicyIndex } from './policy-target.js';
import type { RateLimit } from './rate-limit.js';
import type { Telemetry } from './telemetry.js';
import type { RequestAuthentication } from './request-authentication.js';

/**
 * What the mesh is, free of where it was read and of how a proxy is told: the only input of translation.
 *
 * Frozen and rebuilt as a whole; `diffModels` tells what a new one means for proxies.
 */
export interface MeshModel {
  readonly settings: MeshSettings;
  /** By `NAMESPACE/HOSTNAME`, in that order. */
  readonly services: ReadonlyMap<string, Service>;
  /** All services of one host name; more than one only where namespaces declare the same external host. */
  readonly servicesByHost: ReadonlyMap<string, readonly Service[]>;
  /** Services that choose workloads by labels, by namespace. */
  readonly selectingServices: ReadonlyMap<string, readonly Service[]>;
  /** By the key of each service that has no address of its own. */
  readonly virtualAddresses: ReadonlyMap<string, string>;
  readonly destinationPolicies: readonly DestinationPolicy[];
  /** With the weights of canaries laid over them. */
  readonly virtualHosts: readonly RouteBinding[];
  /** In the order of their keys; one for each host. */
  readonly canaries: readonly CanaryConfig[];
  readonly gateways: ReadonlyMap<string, GatewayConfig>;
  /** By `NAMESPACE/NAME`. */
  readonly secrets: ReadonlyMap<string, TlsSecret>;
  /** The same object while no PeerAuthentication changes. */
  readonly peerAuthentications: PolicyIndex<PeerAuthentication>;
  readonly requestAuthentications: PolicyIndex<RequestAuthentication>;
  readonly authorizationPolicies: PolicyIndex<AuthorizationPolicy>;
  /** The keys of token issuers that policies refer to by URL. */
  readonly keySets: KeySets;
  readonly telemetries: PolicyIndex<Telemetry>;
  readonly rateLimits: PolicyIndex<RateLimit>;
  /** What to run, for the launcher; and what runs already, by address. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** A hash over everything but endpoints. */
  readonly configHash: string;
}

/** Namespaces that may see something: `*` is all. */
export type ExportTo = readonly string[];

export interface Service {
  readonly key: string;
  readonly hostname: string;
  readonly namespace: string;
  /** The resource's own name. */
  readonly name: string;
  readonly kind: 'Service' | 'ServiceEntry';
  readonly ports: readonly ServicePort[];
  /** Virtual addresses, for transparent interception. */
  readonly addresses: readonly string[];
  /** How endpoints are found: given to the proxy, resolved by it, or wherever the caller was going. */
  readonly resolution: 'static' | 'dns' | 'dns-round-robin' | 'none';
  readonly external: boolean;
  readonly exportTo: ExportTo;
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** `NAMESPACE/SERVICE_ACCOUNT` of all who run or are to run behind it. */
  readonly serviceAccounts: readonly string[];
  /** Names of which the certificate of whoever answers must have one, beside those of the service accounts. */
  readonly subjectAltNames: readonly string[];
  /** Every workload behind the service, ordered; ports are numbers by service port. */
  readonly endpoints: readonly Endpoint[];
  /** Equal for equal endpoints. */
  readonly endpointsHash: string;
}

export type AppProtocol = 'http' | 'http2' | 'grpc' | 'grpc-web' | 'tcp' | 'tls' | 'https' | 'udp';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: AppProtocol;
  readonly targetPort: number | string;
}

export interface Endpoint {
  readonly address: string;
  /** The endpoint's port for each service port number; a service port that it does not offer is absent. */
  readonly ports: Readonly<Record<number, number>>;
  /** The same, but as the application and the policies for it count; they differ where a sidecar is reached by a port of its own. */
  readonly applicationPorts: Readonly<Record<number, number>>;
  /** Whether a proxy with an identity of the mesh stands before it. */
  readonly mtls: boolean;
  /** Where it takes tunnels by CONNECT (HBONE); 0: it takes none. */
  readonly tunnelPort: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: Locality;
  readonly weight: number;
  readonly health: 'healthy' | 'unhealthy' | 'draining';
  readonly serviceAccount: string;
  readonly workloadName: string;
  readonly namespace: string;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** A `Workload` resource: what the launcher is to run. */
export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly service: string | undefined;
  readonly command: readonly string[];
  readonly workingDirectory: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: AppProtocol }[];
  readonly replicas: number;
  /** `REGION/ZONE/SUBZONE`, as far as it is known. */
  readonly locality: string | undefined;
  /** Set: it runs already, there; nothing is launched. */
  readonly address: string | undefined;
  /** The folder of its file, against which `command` and `workingDirectory` are relative. */
  readonly file: string;
}

/** How requests to some hosts are routed, by callers in the mesh or through gateways. */
export interface RouteBinding {
  /** `VirtualService/default/reviews`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  /** Fully qualified; `*`, `*.example.com`. */
  readonly hosts: readonly string[];
  /** `mesh` or `NAMESPACE/NAME` of gateways. */
  readonly gateways: readonly string[];
  /** Only these servers (listeners) of its gateways; undefined: all. */
  readonly gatewayServers: ReadonlyMap<string, readonly string[]> | undefined;
  readonly exportTo: ExportTo;
  readonly routes: readonly HttpRoute[];
  readonly tcpRoutes: readonly TcpRoute[];
  /** Of connections that are passed on as they are, by the server name that they ask for. */
  readonly tlsRoutes: readonly TlsRoute[];
}

export interface TcpRoute {
  /** Any of them; empty: every connection. */
  readonly matches: readonly ConnectionMatch[];
  readonly destinations: readonly ConnectionDestination[];
}

export interface TlsRoute {
  /** Any of them. */
  readonly matches: readonly (ConnectionMatch & { readonly serverNames: readonly string[] })[];
  readonly destinations: readonly ConnectionDestination[];
}

export interface ConnectionMatch {
  readonly port: number | undefined;
  readonly gateways: readonly string[] | undefined;
}

export interface ConnectionDestination {
  readonly host: string;
  readonly port: number | undefined;
  readonly subset: string;
  readonly weight: number;
}

export interface GatewayConfig {
  /** `NAMESPACE/NAME`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly selector: Readonly<Record<string, string>>;
  /** Whether proxies of other namespaces may serve it. */
  readonly anyNamespace: boolean;
  readonly servers: readonly GatewayServer[];
}

export interface GatewayServer {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'http' | 'http2' | 'grpc' | 'grpc-web' | 'tcp';
  /** Host patterns, each with the namespace whose routes may bind (`*`: any). */
  readonly hosts: readonly { readonly namespace: string; readonly host: string }[];
  /** undefined: plain text. */
  readonly tls: ServerTls | undefined;
  /** Requests in plain text are told to come again by https. */
  readonly httpsRedirect: boolean;
}

/**
 * How a gateway's server speaks TLS, or passes it on.
 *
 * Shape: certificates come from Secrets in the namespace of the proxy, else from files at the proxy; texts are empty where nothing
 * is said.
 */
export interface ServerTls {
  readonly mode: 'simple' | 'mutual' | 'optional-mutual' | 'istio-mutual' | 'passthrough';
  readonly credentialNames: readonly string[];
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly crlFile: string;
  /** Of a client's certificate: names of which it must have one, and hashes one of which it must have. */
  readonly subjectAltNames: readonly string[];
  readonly publicKeyHashes: readonly string[];
  readonly certificateHashes: readonly string[];
  readonly minVersion: '1.2' | '1.3' | undefined;
  readonly maxVersion: '1.2' | '1.3' | undefined;
  readonly cipherSuites: readonly string[];
}

export interface DestinationPolicy {
  readonly key: string;
  readonly namespace: string;
  /** Fully qualified; may be a wildcard. */
  readonly host: string;
  readonly exportTo: ExportTo;
  /** The callers that it is for, in its own namespace; undefined: all. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly traffic: TrafficPolicy;
  readonly subsets: readonly DestinationSubset[];
}

export interface DestinationSubset {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly traffic: TrafficPolicy;
}

/** Absent: not said. `portLevel` replaces the rest for one port. */
export interface TrafficPolicy {
  readonly loadBalancer?: LoadBalancerPolicy | undefined;
  readonly locality?: LocalityPolicy | undefined;
  readonly connectionPool?: ConnectionPoolPolicy;
  readonly outlierDetection?: OutlierPolicy;
  readonly retryBudget?: RetryBudgetPolicy;
  /** The version of the PROXY protocol that connections begin with. For all ports. */
  readonly proxyProtocol?: 1 | 2;
  readonly tls?: ClientTls;
  readonly portLevel?: ReadonlyMap<number, TrafficPolicy>;
}

/**
 * How connections to a service are secured, instead of by mutual TLS wherever the other side can.
 *
 * Shape: texts are empty where nothing is said. Files are read at the proxy.
 */
export interface ClientTls {
  readonly mode: 'disable' | 'simple' | 'mutual' | 'istio-mutual';
  readonly sni: string;
  /** The names of which the certificate must have one. */
  readonly subjectAltNames: readonly string[];
  readonly caFile: string;
  readonly crlFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** A Secret in the namespace of the gateway that connects. */
  readonly credentialName: string;
  readonly insecureSkipVerify: boolean;
}

export type LoadBalancerPolicy =
  | { readonly kind: 'random' | 'passthrough' }
  | { readonly kind: 'round-robin' | 'least-request'; readonly warmup?: WarmupPolicy }
  | {
      readonly kind: 'ring-hash' | 'maglev';
      readonly key: HashKey;
      readonly minimumRingSize: number | undefined;
      readonly tableSize: number | undefined;
    };

/** Which localities of a service its callers prefer. Localities are `REGION/ZONE/SUBZONE`, with `*` for any. */
export interface LocalityPolicy {
  readonly enabled?: boolean;
  /** From where, how much of it goes where to. */
  readonly distribute?: readonly {
    readonly from: string;
    readonly to: readonly (readonly [locality: string, weight: number])[];
  }[];
  /** The region to fall back to. */
  readonly failover?: readonly { readonly from: string; readonly to: string }[];
  /** Labels that those to prefer have in common with the caller, the more of them from the first on, the better. */
  readonly failoverPriority?: readonly string[];
}

/** How hosts that are new get their share bit by bit. */
export interface WarmupPolicy {
  readonly windowMs: number;
  readonly minimumPercent?: number;
  readonly aggression?: number;
}

export type HashKey =
  | { readonly kind: 'header' | 'query'; readonly name: string }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      readonly path: string;
      readonly ttlMs: number | undefined;
      readonly attributes: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'source-ip' };

export interface ConnectionPoolPolicy {
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly maxConnectionDurationMs?: number;
  readonly keepalive?: { readonly probes?: number; readonly timeMs?: number; readonly intervalMs?: number };
  readonly http1MaxPendingRequests?: number;
  readonly http2MaxRequests?: number;
  readonly maxRequestsPerConnection?: number;
  readonly maxRetries?: number;
  readonly httpIdleTimeoutMs?: number;
  readonly maxConcurrentStreams?: number;
  readonly http2Upgrade?: boolean;
  /** Whether hosts are spoken to as the client spoke, whatever the port says. */
  readonly useClientProtocol?: boolean;
}

/** Retries under way, as a share of the requests that are. */
export interface RetryBudgetPolicy {
  readonly percent?: number;
  readonly minConcurrency?: number;
}

export interface OutlierPolicy {
  readonly consecutive5xx?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly consecutiveLocalOriginFailures?: number;
  readonly splitExternalLocalOriginErrors?: boolean;
  readonly intervalMs?: number;
  readonly baseEjectionMs?: number;
  readonly maxEjectionPercent?: number;
  readonly minHealthPercent?: number;
}
