import {
  localPrincipal,
  peerPrincipal,
  type IstioClusterConfig,
  type IstioStatsConfig,
  type TrafficDirection,
} from '@heddle/engine';
import { UNKNOWN_PEER, type EdgeTable } from '../stats/istio/edge-table.js';
import { flagBits, serviceKey } from '../stats/istio/istio-labels.js';
import { tcpSeriesTable, type TcpSeries } from '../stats/istio/istio-metrics.js';
import type { IstioTelemetry } from '../stats/istio/istio-telemetry.js';
import type { StreamState } from '../http/stream-state.js';

/**
 * Istio's metrics of TCP connections, as one stats filter before a TCP proxy reports them.
 *
 * Source: Istio's stats filter. Who is at the other end is known by its certificate and, for destinations, by what the
 * control plane says of the endpoint: metadata is not exchanged over TCP.
 */
export class TcpMetrics {
  readonly #table: EdgeTable<TcpSeries>;
  readonly #isServer: boolean;

  constructor(config: IstioStatsConfig, telemetry: IstioTelemetry, direction: TrafficDirection) {
    this.#isServer = direction === 'inbound';
    this.#table = tcpSeriesTable(telemetry, config, this.#isServer ? 'destination' : 'source');
  }

  /** The series of a connection: asked for when it is established, or when it ends without having been. */
  find(stream: StreamState, cluster: IstioClusterConfig | undefined): TcpSeries {
    const peer = this.#isServer ? UNKNOWN_PEER : stream.upstreamWorkload;
    const service = cluster?.service ?? serviceKey(stream.clusterName, '', undefined);
    const flags = flagBits(stream.responseFlags);
    if (this.#isServer)
      return this.#table.find(peer, service, stream.calledPrincipal, stream.callerPrincipal, flags);
    const tls = stream.upstreamTls;
    return this.#table.find(peer, service, localPrincipal(tls), peerPrincipal(tls), flags);
  }
}
