import type { Clock, Logger, Timer } from '@heddle/common';
import { adsService, type envoy } from '@heddle/xds-protos';
import { status, type Server, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Caller, CallerProblem } from '../ca/caller.js';
import { RefusalLog } from '../ca/refusal-log.js';
import type { SnapshotCache, SnapshotSubscription } from '../snapshot/snapshot-cache.js';
import { AdsSession, type TypeStatus } from './ads-session.js';
import { DEFAULT_SESSION_LIMITS, type SessionLimits } from './session-limits.js';

type DiscoveryRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaDiscoveryRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type AdsNode = envoy.config.core.v3.Node;
type AdsCall = ServerDuplexStream<DiscoveryRequest | DeltaDiscoveryRequest, Buffer>;

export interface AdsServiceOptions<View> {
  readonly cache: SnapshotCache<View>;
  /** The view of a node, or why it cannot be served. `caller` is who its proxy has proven to be, if anybody asked. */
  readonly viewOf: (node: AdsNode, caller: Caller | undefined, peer: string) => NodeView<View>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<SessionLimits>;
  /** Streams above this are refused with RESOURCE_EXHAUSTED. Default 10,000. */
  readonly maxStreams?: number;
}

export type NodeView<View> =
  /** `adminAddress`: where its admin server may be asked, by whoever is allowed to know. */
  | { readonly view: View; readonly adminAddress?: AdminAddress | undefined }
  /** `isForeign`: the node is not one that this caller may be. */
  | { readonly problem: string; readonly isForeign?: boolean };

/** Of the proxy itself: the address that its stream comes from. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/** Who opens a stream; a caller that is undefined was not asked. */
export type AuthenticateStream = (
  call: AdsCall,
) =>
  | { readonly ok: true; readonly caller: Caller | undefined }
  | { readonly ok: false; readonly problem: CallerProblem; readonly detail: string };

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
  /** undefined: it did not say. */
  readonly adminAddress: AdminAddress | undefined;
  /** undefined: it was not asked who it is. */
  readonly caller: Caller | undefined;
  readonly types: readonly TypeStatus[];
}

interface Connected<View> {
  readonly node: AdsNode;
  readonly peer: string;
  readonly variant: 'sotw' | 'delta';
  readonly connectedAtMs: number;
  readonly view: View;
  readonly adminAddress: AdminAddress | undefined;
  readonly caller: Caller | undefined;
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
  readonly #refusals: RefusalLog;

  constructor(options: AdsServiceOptions<View>) {
    this.#options = options;
    this.#limits = { ...DEFAULT_SESSION_LIMITS, ...options.limits };
    this.#refusals = new RefusalLog(options.log, options.clock);
  }

  /** Adds the service to a gRPC server, for whoever `authenticate` lets in. */
  register(server: Server, authenticate: AuthenticateStream): void {
    server.addService(adsService, {
      StreamAggregatedResources: (call: AdsCall) => this.#admit(call, 'sotw', authenticate),
      DeltaAggregatedResources: (call: AdsCall) => this.#admit(call, 'delta', authenticate),
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
      adminAddress: proxy.adminAddress,
      caller: proxy.caller,
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

  /** By reason: streams that were refused. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refusals.counts;
  }

  /** Ends the streams of the callers that `isOver` chooses; they may connect again. */
  endStreams(isOver: (caller: Caller) => boolean, reason: string): void {
    for (const [call, { caller }] of this.#connected) {
      if (caller !== undefined && isOver(caller)) refuse(call, status.UNAUTHENTICATED, reason);
    }
  }

  #admit(call: AdsCall, variant: 'sotw' | 'delta', authenticate: AuthenticateStream): void {
    const verdict = authenticate(call);
    if (verdict.ok) {
      this.#serve(call, variant, verdict.caller);
      return;
    }
    const { problem, detail } = verdict;
    this.#refusals.note('proxy refused', problem, { peer: call.getPeer(), detail });
    refuse(call, status.UNAUTHENTICATED, detail);
  }

  #serve(call: AdsCall, variant: 'sotw' | 'delta', caller: Caller | undefined): void {
    if (this.#streams >= (this.#options.maxStreams ?? 10_000)) {
      refuse(call, status.RESOURCE_EXHAUSTED, 'too many proxies are connected');
      return;
    }
    this.#streams++;
    let ended = false;
    const expiry = this.#endWithProof(call, caller);
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#streams--;
      expiry?.cancel();
      const proxy = this.#connected.get(call);
      if (proxy === undefined) return;
      this.#connected.delete(call);
      proxy.session.close();
      proxy.subscription.release();
      this.#options.log.info('proxy disconnected', { node: proxy.node.id, variant });
    };
    call.on('data', (request: DiscoveryRequest | DeltaDiscoveryRequest) => {
      if (!ended) this.#onRequest(call, variant, caller, request);
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

  /** Who has proven who it is until some moment is asked again then. */
  #endWithProof(call: AdsCall, caller: Caller | undefined): Timer | undefined {
    if (caller === undefined) return undefined;
    const { clock } = this.#options;
    const what = caller.by === 'token' ? 'the join token' : 'the client certificate';
    return clock.setTimer(Math.max(0, caller.provenUntilMs - clock.nowMs()), () =>
      refuse(call, status.UNAUTHENTICATED, `${what} with which this stream began has expired: connect again`),
    );
  }

  #onRequest(
    call: AdsCall,
    variant: 'sotw' | 'delta',
    caller: Caller | undefined,
    request: DiscoveryRequest | DeltaDiscoveryRequest,
  ): void {
    let proxy = this.#connected.get(call);
    if (proxy === undefined) {
      const connected = this.#connect(call, variant, caller, request.node);
      if ('problem' in connected) {
        const { problem, isForeign = false } = connected;
        this.#refusals.note('proxy refused', isForeign ? 'foreign-node' : 'bad-node', {
          node: request.node?.id ?? '',
          ...(caller === undefined ? {} : { identity: caller.identity.uri }),
          peer: call.getPeer(),
          detail: problem,
        });
        refuse(call, isForeign ? status.PERMISSION_DENIED : status.INVALID_ARGUMENT, problem);
        return;
      }
      proxy = connected;
      this.#connected.set(call, proxy);
      proxy.session.onSnapshot(proxy.subscription.current);
    }
    if (variant === 'sotw') proxy.session.onSotwRequest(request as DiscoveryRequest);
    else proxy.session.onDeltaRequest(request as DeltaDiscoveryRequest);
  }

  #connect(
    call: AdsCall,
    variant: 'sotw' | 'delta',
    caller: Caller | undefined,
    node: AdsNode | null,
  ): Connected<View> | Extract<NodeView<View>, { readonly problem: string }> {
    if (node === null) return { problem: 'the first request of a stream must carry a node' };
    const found = this.#options.viewOf(node, caller, call.getPeer());
    if ('problem' in found) return found;
    const session = new AdsSession({
      variant,
      clock: this.#options.clock,
      limits: this.#limits,
      transport: {
        write: (response) => call.write(response),
        refuse: (reason) => refuse(call, status.INVALID_ARGUMENT, reason),
      },
      onNack: (typeUrl, version, message) => {
        this.#nacks++;
        this.#options.log.warn('proxy refused configuration', { node: node.id, typeUrl, version, message });
      },
    });
    const subscription = this.#options.cache.subscribe(found.view, (snapshot) =>
      session.onSnapshot(snapshot),
    );
    this.#options.log.info('proxy connected', {
      node: node.id,
      variant,
      peer: call.getPeer(),
      ...(caller === undefined ? {} : { identity: caller.identity.uri, provenBy: caller.by }),
    });
    return {
      node,
      peer: call.getPeer(),
      variant,
      connectedAtMs: this.#options.clock.nowMs(),
      view: found.view,
      adminAddress: found.adminAddress,
      caller,
      session,
      subscription,
    };
  }
}

function refuse(call: AdsCall, code: status, details: string): void {
  call.emit('error', { code, details });
}

/** `envoy 1.40.0`: the name and, in either of the forms that clients use, the version. */
function userAgentOf(node: AdsNode): string {
  const build = node.userAgentBuildVersion?.version;
  const version =
    build == null ? node.userAgentVersion : `${build.majorNumber}.${build.minorNumber}.${build.patch}`;
  return `${node.userAgentName} ${version ?? ''}`.trim();
}
