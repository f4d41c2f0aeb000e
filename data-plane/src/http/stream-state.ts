import {
  formatAddress,
  LOCAL_PRINCIPAL_KEY,
  localPrincipal,
  PEER_PRINCIPAL_KEY,
  peerPrincipal,
  pathForMatching,
  type AddressConfig,
  type DynamicMetadata,
  type FilterState,
  type HeaderMap,
  type RequestHead,
  type ResponseFlag,
  type ResponseHead,
  type RouteMatch,
  type StreamInfo,
  type TlsInfo,
  type WeightedClusterConfig,
} from '@heddle/engine';
import type { ClientAddress } from '../cluster/client-address.js';
import type { UpstreamConnection } from '../codec/stream.js';
import type { WorkloadMetadata } from '../stats/istio/workload-metadata.js';
import type { GrpcMessages } from './grpc-messages.js';

/** What every request of one connection shares, formatted once. */
export interface ConnectionInfo {
  readonly id: number;
  /** `host:port`. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
  /** Who really connected, where the PROXY protocol tells of another client. */
  readonly direct?: { readonly address: string; readonly ip: string };
  readonly localAddress: string;
  /** The two halves of `localAddress`: where an intercepted connection was going. */
  readonly localIp: string;
  readonly localPort: number;
  readonly requestedServerName: string;
  /** undefined when the client speaks plain text to us. */
  readonly tls: TlsInfo | undefined;
  /** What x-forwarded-client-cert says of the client, made by the connection manager where it says anything. */
  readonly clientCertificateText?: string;
  readonly originalDestination: AddressConfig | undefined;
  /** From where connections are made upstream for it; left out: from where all are made. */
  readonly clientAddress?: ClientAddress;
  /** See `ClientConnection.whenGone`. */
  whenGone?: Set<() => void>;
  /** What a connection inside this process brought along. */
  readonly filterState?: FilterState | undefined;
  /** What filters of connections found out, by their names; undefined while there is nothing. */
  dynamicMetadata: Map<string, DynamicMetadata> | undefined;
}

const NO_FLAGS: readonly ResponseFlag[] = Object.freeze([]);

/** The mutable record of one request. The connection manager, filters and the router write; access logs and templates read. */
export abstract class StreamState implements StreamInfo {
  readonly connectionInfo: ConnectionInfo;
  readonly startTimeMs: number;
  /** Monotonic; the durations count from here. */
  readonly startedAtMs: number;
  request: RequestHead | undefined = undefined;
  response: ResponseHead | undefined = undefined;
  responseTrailers: HeaderMap | undefined = undefined;
  route: RouteMatch | undefined = undefined;
  weightedCluster: WeightedClusterConfig | undefined = undefined;
  originalPath: string | undefined = undefined;
  responseCode = 0;
  codeDetails = '';
  connectionTerminationDetails = '';
  reason = '';
  bytesReceived = 0;
  bytesSent = 0;
  upstreamBytesReceived = 0;
  upstreamBytesSent = 0;
  requestEndedAtMs = -1;
  responseStartedAtMs = -1;
  endedAtMs = -1;
  upstreamServiceTimeMs: number | undefined = undefined;
  attemptCount = 0;
  clusterName = '';
  upstreamHost = '';
  /** What the control plane calls the workload there; empty: nothing. */
  upstreamWorkload = '';
  upstreamConnection: UpstreamConnection | undefined = undefined;
  upstreamTransportFailureReason = '';
  /** The client's address as x-forwarded-for tells it, when that is trusted; empty when it is the direct one. */
  trustedClientIp = '';
  requestId = '';
  /** Whether the request is internal, so that its `x-envoy-*` fields may change how it is treated. */
  trustsEnvoyHeaders = false;
  isGrpc = false;
  /** Of a call by gRPC whose end somebody counts. */
  requestMessages: GrpcMessages | undefined = undefined;
  responseMessages: GrpcMessages | undefined = undefined;
  /** What a peer told of itself, and proved. */
  downstreamPeer: WorkloadMetadata | undefined = undefined;
  upstreamPeer: WorkloadMetadata | undefined = undefined;
  /** Whether the caller's proxy told who it is, and may want to be told the same. */
  callerTellsMetadata = false;
  dynamicMetadata: Map<string, DynamicMetadata> | undefined = undefined;
  filterState: FilterState | undefined;
  #flags: ResponseFlag[] | undefined = undefined;

  constructor(connectionInfo: ConnectionInfo, startTimeMs: number, startedAtMs: number) {
    this.connectionInfo = connectionInfo;
    this.filterState = connectionInfo.filterState;
    this.startTimeMs = startTimeMs;
    this.startedAtMs = startedAtMs;
  }

  abstract monotonicMs(): number;

  /** Bytes of the heads as the client sent and got them. */
  get requestHeadBytes(): number {
    return 0;
  }

  get responseHeadBytes(): number {
    return 0;
  }

  /** Where an intercepted connection was going; undefined when nothing intercepted it. */
  get originalDestination(): AddressConfig | undefined {
    return this.connectionInfo.originalDestination;
  }

  /** The client's own address, as far as that is known. */
  get clientIp(): string {
    return this.trustedClientIp === '' ? this.connectionInfo.remoteIp : this.trustedClientIp;
  }

  get connectionKey(): string {
    return this.connectionInfo.remoteAddress + this.connectionInfo.localAddress;
  }

  addFlag(flag: ResponseFlag): void {
    if (this.#flags === undefined) this.#flags = [flag];
    else if (!this.#flags.includes(flag)) this.#flags.push(flag);
  }

  get responseFlags(): readonly ResponseFlag[] {
    return this.#flags ?? NO_FLAGS;
  }

  /** The path by which routes are found, without query: what policies must look at. Empty without a request. */
  get routedPath(): string {
    return pathForMatching(this.request?.path ?? '', false);
  }

  get protocol(): StreamInfo['protocol'] {
    return this.request?.version;
  }

  get durationMs(): number {
    return (this.endedAtMs === -1 ? this.monotonicMs() : this.endedAtMs) - this.startedAtMs;
  }

  get requestDurationMs(): number | undefined {
    return this.requestEndedAtMs === -1 ? undefined : this.requestEndedAtMs - this.startedAtMs;
  }

  get responseDurationMs(): number | undefined {
    return this.responseStartedAtMs === -1 ? undefined : this.responseStartedAtMs - this.startedAtMs;
  }

  get routeName(): string {
    return this.route?.route.name ?? '';
  }

  get virtualHostName(): string {
    return this.route?.virtualHost.name ?? '';
  }

  get upstreamLocalAddress(): string {
    const connection = this.upstreamConnection;
    return connection === undefined ? '' : socketText(connection.localAddress, connection.localPort);
  }

  get upstreamProtocol(): string {
    const protocol = this.upstreamConnection?.protocol;
    return protocol === undefined || protocol === 'TCP' ? '' : protocol;
  }

  get downstreamTls(): TlsInfo | undefined {
    return this.connectionInfo.tls;
  }

  /** Who calls, and whom they called, as far as either is proven: by TLS, or by that of the tunnel that the connection came by. */
  get callerPrincipal(): string {
    return callerPrincipal(this.connectionInfo);
  }

  get calledPrincipal(): string {
    const { filterState, tls } = this.connectionInfo;
    return filterState?.get(LOCAL_PRINCIPAL_KEY)?.value ?? localPrincipal(tls);
  }

  get upstreamTls(): TlsInfo | undefined {
    return this.upstreamConnection?.tls;
  }

  get downstreamRemoteAddress(): string {
    return this.trustedClientIp === ''
      ? this.connectionInfo.remoteAddress
      : socketText(this.trustedClientIp, 0);
  }

  get downstreamDirectRemoteAddress(): string {
    return this.connectionInfo.direct?.address ?? this.connectionInfo.remoteAddress;
  }

  get downstreamLocalAddress(): string {
    return this.connectionInfo.localAddress;
  }

  get requestedServerName(): string {
    return this.connectionInfo.requestedServerName;
  }

  get connectionId(): number {
    return this.connectionInfo.id;
  }
}

/** Who calls, as far as that is proven. */
export function callerPrincipal({ filterState, tls }: ConnectionInfo): string {
  return filterState?.get(PEER_PRINCIPAL_KEY)?.value ?? peerPrincipal(tls);
}

/** `host:port` with brackets round IPv6; empty without a host, as inside this process. */
export function socketText(host: string, port: number): string {
  return host === '' ? '' : formatAddress({ kind: 'socket', host, port, protocol: 'tcp' });
}
