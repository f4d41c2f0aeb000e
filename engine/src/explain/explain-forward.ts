import { formatAddress } from '../config/address.js';
import type { ClusterConfig } from '../config/cluster-config.js';
import type { EndpointConfig, EndpointsConfig } from '../config/endpoints-config.js';
import type { ForwardAction, RetryConfig } from '../config/route-config.js';
import type { RouterConfig } from '../http-filters/router/config.js';
import { requestHash } from '../hash/request-hash.js';
import { HeaderMap } from '../http/header-map.js';
import { clusterNotFound, LOCAL_REPLY, type LocalReply } from '../http/local-reply.js';
import type { RequestHead } from '../http/message-head.js';
import { hashKeyOf, hostHealth, type HostHealth, type LbHost } from '../load-balancer/lb-host.js';
import { createLoadBalancer, type LoadBalancer } from '../load-balancer/load-balancer.js';
import { RETRY_ON, type RetryCondition } from '../retry/retry-condition.js';
import { isRetriable, retryPolicyOf } from '../retry/retry-overrides.js';
import { applyHeaderChanges, compileHeaderChanges } from '../route/header-changes.js';
import { perTryTimeoutMs, requestTimeoutMs } from '../route/request-timeouts.js';
import { makeUpstreamHead, type WeightedChanges } from '../route/upstream-head.js';
import { matchesTransportSocket } from '../transport/transport-socket-match.js';
import type { ExplainedStream } from './explained-stream.js';
import type { ProxyConfig } from './proxy-config.js';

/** A header field with its value. */
export type ExplainedHeader = readonly [name: string, value: string];

/** How a request is sent on. */
export interface ExplainedForward {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  /** As they are sent, without what only the sending adds. */
  readonly headers: readonly ExplainedHeader[];
  /** What routes add to the response. */
  readonly responseHeaders: readonly ExplainedHeader[];
  readonly removedResponseHeaders: readonly string[];
  /** Units: ms; 0: none. */
  readonly timeoutMs: number;
  readonly retries: ExplainedRetries | undefined;
  readonly cluster: ExplainedCluster;
}

export interface ExplainedRetries {
  readonly attempts: number;
  readonly on: readonly RetryCondition[];
  readonly statusCodes: readonly number[];
  /** Units: ms; 0: none. */
  readonly perTryTimeoutMs: number;
}

export interface ExplainedCluster {
  readonly name: string;
  readonly discovery: ClusterConfig['discovery']['kind'] | 'unknown';
  readonly loadBalancer: ClusterConfig['lbPolicy']['kind'] | undefined;
  /** Units: ms. */
  readonly connectTimeoutMs: number;
  readonly endpoints: readonly ExplainedEndpoint[];
  /** What the proxy answers instead: there is no such cluster, or no host of it may be used. */
  readonly answer: LocalReply | undefined;
}

export interface ExplainedEndpoint {
  /** `host:port`. */
  readonly address: string;
  readonly priority: number;
  readonly weight: number;
  readonly locality: string;
  readonly health: EndpointConfig['health'];
  /** Whether a request may be sent there now. */
  readonly usable: boolean;
  /** It is the one, for the request's hash decides. */
  readonly chosen: boolean;
  /** What is spoken there. */
  readonly transport: 'plain text' | 'TLS' | 'mutual TLS' | 'a tunnel by mutual TLS';
  /** The server name that is asked for; empty: none. */
  readonly sni: string;
}

/** How a forwarding route sends a request on, to the cluster that the stream has chosen. */
export function explainForward(
  action: ForwardAction,
  head: RequestHead,
  stream: ExplainedStream,
  config: ProxyConfig,
  router: Partial<RouterConfig>,
): ExplainedForward {
  const { route, weightedCluster } = stream;
  const weighted: WeightedChanges | undefined = weightedCluster && {
    request: [compileHeaderChanges(weightedCluster.requestHeaders)],
    response: [compileHeaderChanges(weightedCluster.responseHeaders)],
  };
  const cluster = explainCluster(action, head, stream, config);
  const timeoutMs = requestTimeoutMs(action, head, stream, router.respectExpectedRequestTimeout === true);
  const perTryMs = perTryTimeoutMs(action, head, stream, timeoutMs);
  const retries = explainRetries(action.retry, head, stream.trustsEnvoyHeaders, perTryMs);
  const response = new HeaderMap();
  const removed: string[] = [];
  if (route !== undefined) {
    makeUpstreamHead(route, action, head, stream, weighted, router.suppressEnvoyHeaders === true);
    const all = [weighted?.response ?? [], route.responseHeaders];
    for (const changes of route.weightedFirst ? all : all.reverse()) {
      applyHeaderChanges(changes, response, stream);
      for (const { remove } of changes) removed.push(...remove);
    }
  }
  return {
    method: head.method,
    authority: head.authority,
    path: head.path,
    headers: fieldsOf(head.headers),
    responseHeaders: fieldsOf(response),
    removedResponseHeaders: removed,
    timeoutMs,
    retries,
    cluster,
  };
}

export function fieldsOf({ names, values }: HeaderMap): readonly ExplainedHeader[] {
  return names.map((name, i) => [name, values[i] as string] as const);
}

function explainRetries(
  route: RetryConfig | undefined,
  head: RequestHead,
  isTrusted: boolean,
  perTryTimeoutMs: number,
): ExplainedRetries | undefined {
  const retry = isTrusted ? retryPolicyOf(route, head) : route;
  if (retry === undefined || retry.conditions === 0 || !isRetriable(retry, head)) return undefined;
  const on = (Object.keys(RETRY_ON) as RetryCondition[]).filter(
    (name) => (retry.conditions & RETRY_ON[name]) !== 0,
  );
  return { attempts: retry.numRetries, on, statusCodes: retry.retriableStatusCodes, perTryTimeoutMs };
}

function explainCluster(
  action: ForwardAction,
  head: RequestHead,
  stream: ExplainedStream,
  config: ProxyConfig,
): ExplainedCluster {
  const name = stream.clusterName;
  const cluster = name === '' ? undefined : config.clusters.get(name);
  if (cluster === undefined) {
    const answer = clusterNotFound(action.clusterNotFoundStatus, name);
    return {
      name,
      discovery: 'unknown',
      loadBalancer: undefined,
      connectTimeoutMs: 0,
      endpoints: [],
      answer,
    };
  }
  const { kind } = cluster.discovery;
  const hashes = cluster.lbPolicy.kind === 'ring-hash' || cluster.lbPolicy.kind === 'maglev';
  const source = { clientIp: stream.clientIp, connectionKey: '' };
  const hash =
    hashes && action.hashPolicies.length > 0
      ? requestHash(action.hashPolicies, head, source).hash
      : undefined;
  const { hosts, balancer } = hostsOf(cluster, endpointsOf(cluster, config));
  const picked = kind === 'original-dst' ? undefined : balancer.pick(hash);
  const resolvesLater = kind === 'original-dst' || kind === 'strict-dns' || kind === 'logical-dns';
  return {
    name,
    discovery: kind,
    loadBalancer: cluster.lbPolicy.kind,
    connectTimeoutMs: cluster.connectTimeoutMs,
    endpoints: hosts.map(({ endpoint, priority, locality, health }) => ({
      priority,
      weight: endpoint.weight,
      locality,
      health: endpoint.health,
      usable: health !== 'unhealthy' || balancer.inPanic,
      chosen: hash !== undefined && picked?.endpoint === endpoint,
      ...transportTo(cluster, endpoint),
    })),
    answer: picked === undefined && !resolvesLater ? LOCAL_REPLY.noHealthyUpstream : undefined,
  };
}

function endpointsOf({ discovery }: ClusterConfig, config: ProxyConfig): EndpointsConfig | undefined {
  if (discovery.kind === 'eds') return config.endpoints.get(discovery.serviceName);
  return discovery.kind === 'original-dst' ? undefined : discovery.endpoints;
}

class ExplainedHost implements LbHost {
  readonly endpoint: EndpointConfig;
  readonly priority: number;
  readonly locality: string;
  readonly health: HostHealth;
  readonly activeRequests = 0;
  readonly healthySinceMs = 0;

  constructor(endpoint: EndpointConfig, priority: number, locality: string) {
    this.endpoint = endpoint;
    this.priority = priority;
    this.locality = locality;
    this.health = hostHealth(endpoint.health);
  }

  get weight(): number {
    return this.endpoint.weight;
  }

  hashKey(byHostname: boolean): string {
    return hashKeyOf(this.endpoint, formatAddress(this.endpoint.address), byHostname);
  }
}

/** The hosts of a cluster and the balancer over them, which is the proxy's own. */
function hostsOf(
  cluster: ClusterConfig,
  endpoints: EndpointsConfig | undefined,
): { readonly hosts: readonly ExplainedHost[]; readonly balancer: LoadBalancer<ExplainedHost> } {
  const balancer = createLoadBalancer<ExplainedHost>({
    policy: cluster.lbPolicy,
    random: () => 0,
    overprovisioningFactorPercent: endpoints?.overprovisioningFactorPercent ?? 140,
    panicThresholdPercent: cluster.panicThresholdPercent,
    localityWeighted: cluster.localityWeighted === true,
  });
  const localities = (endpoints?.localities ?? []).map((locality) => {
    const name = [locality.region, locality.zone, locality.subZone].filter((part) => part !== '').join('/');
    const hosts = locality.endpoints.map((endpoint) => new ExplainedHost(endpoint, locality.priority, name));
    return { priority: locality.priority, weight: locality.weight, hosts };
  });
  balancer.update(localities);
  return { hosts: localities.flatMap(({ hosts }) => hosts), balancer };
}

function transportTo(
  cluster: ClusterConfig,
  { address, metadata }: EndpointConfig,
): Pick<ExplainedEndpoint, 'address' | 'transport' | 'sni'> {
  // Inside the proxy there is what leads into tunnels. Source: Istio's connect_originate.
  if (address.kind === 'internal' && address.endpointId !== '')
    return { address: address.endpointId, transport: 'a tunnel by mutual TLS', sni: '' };
  const text = formatAddress(address);
  const found = (cluster.transportSocketMatches ?? []).find(({ match }) =>
    matchesTransportSocket(Object.entries(match), metadata),
  );
  const socket = (found ?? cluster).transportSocket;
  if (socket.kind === 'raw') return { address: text, transport: 'plain text', sni: '' };
  const transport = socket.certificates.length > 0 ? 'mutual TLS' : 'TLS';
  return { address: text, transport, sni: socket.sni };
}
