import { hostAndPort } from '../config/address.js';
import type { WeightedClusterConfig } from '../config/route-config.js';
import type { PreparedStream } from '../http/prepare-request.js';
import type { HeaderMap } from '../http/header-map.js';
import type { RequestHead, ResponseHead } from '../http/message-head.js';
import type { DynamicMetadata, ResponseFlag, StreamInfo } from '../http/stream-info.js';
import type { TlsInfo } from '../http/tls-info.js';
import type { RbacFacts } from '../rbac/rbac-facts.js';
import type { RouteMatch } from '../route/route-table.js';
import type { RoutedStream } from '../route/upstream-head.js';

/** A connection as a proxy would accept it. */
export interface ExplainedConnection {
  /** The peer. */
  readonly sourceIp: string;
  readonly sourcePort: number;
  /** Where it was going: what an intercepted one was going to, else where it arrived. */
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** undefined: plain text. */
  readonly tls: TlsInfo | undefined;
}

/** What is known of a request that never was: the same record that a proxy keeps, with nothing in it that only time brings. */
export class ExplainedStream implements StreamInfo, PreparedStream, RoutedStream, RbacFacts {
  readonly connection: ExplainedConnection;
  readonly connectionInfo: PreparedStream['connectionInfo'];
  readonly startTimeMs: number;
  request: RequestHead | undefined = undefined;
  route: RouteMatch | undefined = undefined;
  weightedCluster: WeightedClusterConfig | undefined = undefined;
  clusterName = '';
  trustedClientIp = '';
  requestId = '';
  trustsEnvoyHeaders = false;
  isGrpc = false;
  originalPath: string | undefined = undefined;
  /** The path as routes see it. */
  path = '';
  metadata: Map<string, DynamicMetadata> | undefined = undefined;
  readonly response: ResponseHead | undefined = undefined;
  readonly responseTrailers: HeaderMap | undefined = undefined;
  readonly responseCode = 0;
  readonly responseFlags: readonly ResponseFlag[] = [];
  readonly codeDetails = '';
  readonly connectionTerminationDetails = '';
  readonly reason = '';
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly upstreamBytesReceived = 0;
  readonly upstreamBytesSent = 0;
  readonly durationMs = 0;
  readonly requestDurationMs: number | undefined = undefined;
  readonly responseDurationMs: number | undefined = undefined;
  readonly upstreamServiceTimeMs: number | undefined = undefined;
  readonly attemptCount = 1;
  readonly upstreamHost = '';
  readonly upstreamLocalAddress = '';
  readonly upstreamTransportFailureReason = '';
  readonly connectionId = 0;
  readonly upstreamProtocol = '';
  readonly upstreamTls: TlsInfo | undefined = undefined;

  constructor(connection: ExplainedConnection, clientCertificateText: string, nowMs: number) {
    this.connection = connection;
    this.startTimeMs = nowMs;
    this.connectionInfo = {
      remoteIp: connection.sourceIp,
      localAddress: hostAndPort(connection.destinationIp, connection.destinationPort),
      tls: connection.tls,
      clientCertificateText,
    };
  }

  /** The same for another choice of its cluster. */
  branch(head: RequestHead): ExplainedStream {
    const text = this.connectionInfo.clientCertificateText ?? '';
    const branch = new ExplainedStream(this.connection, text, this.startTimeMs);
    const { route, trustedClientIp, requestId, trustsEnvoyHeaders, isGrpc, path } = this;
    const own = { route, trustedClientIp, requestId, trustsEnvoyHeaders, isGrpc, path };
    return Object.assign(branch, { request: head, ...own });
  }

  get protocol(): StreamInfo['protocol'] {
    return this.request?.version;
  }

  get clientIp(): string {
    return this.trustedClientIp === '' ? this.connection.sourceIp : this.trustedClientIp;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  get downstreamTls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  get serverName(): string {
    return this.connection.tls?.serverName ?? '';
  }

  get requestedServerName(): string {
    return this.serverName;
  }

  get remoteIp(): string {
    return this.clientIp;
  }

  get directRemoteIp(): string {
    return this.connection.sourceIp;
  }

  get destinationIp(): string {
    return this.connection.destinationIp;
  }

  get destinationPort(): number {
    return this.connection.destinationPort;
  }

  get dynamicMetadata(): ReadonlyMap<string, DynamicMetadata> | undefined {
    return this.metadata;
  }

  get routeName(): string {
    return this.route?.route.name ?? '';
  }

  get virtualHostName(): string {
    return this.route?.virtualHost.name ?? '';
  }

  get downstreamRemoteAddress(): string {
    return this.trustedClientIp === ''
      ? this.downstreamDirectRemoteAddress
      : hostAndPort(this.trustedClientIp, 0);
  }

  get downstreamDirectRemoteAddress(): string {
    return hostAndPort(this.connection.sourceIp, this.connection.sourcePort);
  }

  get downstreamLocalAddress(): string {
    return this.connectionInfo.localAddress;
  }
}
