import type { Clock } from '@heddle/common';
import type { Logger } from '@heddle/common';
import { adsService, type envoy } from '@heddle/xds-protos';
import { Server, ServerCredentials, status, type ServerDuplexStream } from '@grpc/grpc-js';
import type { SnapshotCache, SnapshotSubscription } from '../snapshot/snapshot-cache.js';
import { AdsSession, DEFAULT_SESSION_LIMITS, type SessionLimits, type TypeStatus } from './ads-session.js';

type DiscoveryRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaDiscoveryRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type AdsNode = envoy.config.core.v3.Node;
type AdsCall = ServerDuplexStream<DiscoveryRequest | DeltaDiscoveryRequest, Buffer>;

export interface AdsServiceOptions<View> {
  readonly cache: SnapshotCache<View>;
  /** The view of a node, or why it cannot be served. */
  readonly viewOf: (node: AdsNode) => { readonly view: View } | { readonly problem: string };
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<SessionLimits>;
  /** Streams above this are refused with RESOURCE_EXHAUSTED. Default 10,000. */
  readonly maxStreams?: number;
}

/** One connected proxy, for the API and `heddle proxy-status`. */
export interface ProxyStatus<View> {
  readonly nodeId: string;
  readonly cluster: string;
  readonly userAgent: string;
  readonly peer: string;
  readonly variant: 'sotw' | 'delta';
  /** Wall clock, ms. */
  readonly connectedAtMs: number;
  readonly view: View;
  readonly types: readonly TypeStatus[];
}

interface Connected<View> {
  readonly node: AdsNode;
  readonly peer: string;
  readonly variant: 'sotw' | 'delta';
  readonly connectedAtMs: number;
  readonly view: View;
  readonly session: AdsSession;
  readonly subscription: SnapshotSubscription;
}

/**
 * Serves snapshots over the Aggregated Discovery Service, state-of-the-world and incremental.
 * Source: envoy.service.discovery.v3.AggregatedDiscoveryService.
 */
export class AdsService<View> {
  readonly #options: AdsServiceOptions<View>;
  readonly #limits: SessionLimits;
  readonly #connected = new Map<AdsCall, Connected<View>>();
  #streams = 0;
  #nacks = 0;

  constructor(options: AdsServiceOptions<View>) {
    this.#options = options;
    this.#limits = { ...DEFAULT_SESSION_LIMITS, ...options.limits };
  }

  /** Adds the service to a gRPC server. */
  register(server: Server): void {
    server.addService(adsService, {
      StreamAggregatedResources: (call: AdsCall) => this.#serve(call, 'sotw'),
      DeltaAggregatedResources: (call: AdsCall) => this.#serve(call, 'delta'),
    });
  }

  /** Every connected proxy, oldest first. */
  proxies(): ProxyStatus<View>[] {
    return [...this.#connected.values()].map((proxy) => ({
      nodeId: proxy.node.id,
      cluster: proxy.node.cluster,
      userAgent: userAgentOf(proxy.node),
      peer: proxy.peer,
      variant: proxy.variant,
      connectedAtMs: proxy.connectedAtMs,
      view: proxy.view,
      types: proxy.session.status(),
    }));
  }

  /** How many proxies are connected. */
  get size(): number {
    return this.#connected.size;
  }

  get nacks(): number {
    return this.#nacks;
  }

  #serve(call: AdsCall, variant: 'sotw' | 'delta'): void {
    if (this.#streams >= (this.#options.maxStreams ?? 10_000)) {
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'too many proxies are connected' });
      return;
    }
    this.#streams++;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#streams--;
      const proxy = this.#connected.get(call);
      if (proxy === undefined) return;
      this.#connected.delete(call);
      proxy.session.close();
      proxy.subscription.release();
      this.#options.log.info('proxy disconnected', { node: proxy.node.id, variant });
    };
    call.on('data', (request: DiscoveryRequest | DeltaDiscoveryRequest) => {
      if (!ended) this.#onRequest(call, variant, request);
    });
    call.on('drain', () => this.#connected.get(call)?.session.onWritable());
    call.on('end', () => {
      end();
      call.end();
    });
    call.on('error', end);
    call.on('close', end);
    call.on('cancelled', end);
  }

  #onRequest(
    call: AdsCall,
    variant: 'sotw' | 'delta',
    request: DiscoveryRequest | DeltaDiscoveryRequest,
  ): void {
    let proxy = this.#connected.get(call);
    if (proxy === undefined) {
      const connected = this.#connect(call, variant, request.node);
      if (typeof connected === 'string') {
        this.#options.log.warn('proxy refused', { node: request.node?.id ?? '', reason: connected });
        call.emit('error', { code: status.INVALID_ARGUMENT, details: connected });
        return;
      }
      proxy = connected;
      this.#connected.set(call, proxy);
      proxy.session.onSnapshot(proxy.subscription.current);
    }
    if (variant === 'sotw') proxy.session.onSotwRequest(request as DiscoveryRequest);
    else proxy.session.onDeltaRequest(request as DeltaDiscoveryRequest);
  }

  #connect(call: AdsCall, variant: 'sotw' | 'delta', node: AdsNode | null): Connected<View> | string {
    if (node === null) return 'the first request of a stream must carry a node';
    const found = this.#options.viewOf(node);
    if ('problem' in found) return found.problem;
    const session = new AdsSession({
      variant,
      clock: this.#options.clock,
      limits: this.#limits,
      transport: {
        write: (response) => call.write(response),
        refuse: (reason) => call.emit('error', { code: status.INVALID_ARGUMENT, details: reason }),
      },
      onNack: (typeUrl, version, message) => {
        this.#nacks++;
        this.#options.log.warn('proxy refused configuration', { node: node.id, typeUrl, version, message });
      },
    });
    const subscription = this.#options.cache.subscribe(found.view, (snapshot) =>
      session.onSnapshot(snapshot),
    );
    this.#options.log.info('proxy connected', { node: node.id, variant, peer: call.getPeer() });
    return {
      node,
      peer: call.getPeer(),
      variant,
      connectedAtMs: this.#options.clock.nowMs(),
      view: found.view,
      session,
      subscription,
    };
  }
}

/** `envoy 1.40.0`: the name and, in either of the forms that clients use, the version. */
function userAgentOf(node: AdsNode): string {
  const build = node.userAgentBuildVersion?.version;
  const version =
    build == null ? node.userAgentVersion : `${build.majorNumber}.${build.minorNumber}.${build.patch}`;
  return `${node.userAgentName} ${version ?? ''}`.trim();
}

/** A gRPC server with keep-alive that suits long-lived discovery streams. */
export function createGrpcServer(): Server {
  return new Server({
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.http2.min_time_between_pings_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
  });
}

/** Binds without TLS: for loopback. Resolves with the port that was bound. */
export function bindPlaintext(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
