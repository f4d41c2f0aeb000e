import { localPrincipal, peerPrincipal, type IstioStatsConfig } from '@heddle/engine';
import { UNKNOWN_PEER, type PeerKey } from '../../../stats/istio/edge-table.js';
import { flagBits, serviceKey } from '../../../stats/istio/istio-labels.js';
import { grpcOutcome, httpOutcome, HttpMetrics, NO_GRPC } from '../../../stats/istio/istio-metrics.js';
import type { ObserverContext, StreamObserver } from '../../filter.js';
import type { StreamState } from '../../stream-state.js';

/**
 * Counts requests by who called whom: Istio's standard metrics.
 *
 * Source: Istio's stats filter. An inbound listener reports as the destination, every other one as the source.
 */
export class IstioStatsObserver implements StreamObserver {
  readonly #metrics: HttpMetrics;
  readonly #isServer: boolean;
  readonly #usesHost: boolean;
  readonly #context: ObserverContext;

  constructor(config: IstioStatsConfig, context: ObserverContext) {
    this.#isServer = context.trafficDirection === 'inbound';
    this.#usesHost = !config.disableHostHeaderFallback;
    this.#context = context;
    this.#metrics = new HttpMetrics(context.telemetry, config, this.#isServer ? 'destination' : 'source');
  }

  onStreamEnd(stream: StreamState): void {
    const { clusterName } = stream;
    let peer: PeerKey;
    let own: string;
    let others: string;
    if (this.#isServer) {
      own = stream.calledPrincipal;
      others = stream.callerPrincipal;
      peer = stream.downstreamPeer ?? UNKNOWN_PEER;
    } else {
      const tls = stream.upstreamTls;
      own = localPrincipal(tls);
      others = peerPrincipal(tls);
      peer = stream.upstreamPeer ?? stream.upstreamWorkload;
    }
    const service =
      this.#context.istioCluster(clusterName)?.service ??
      serviceKey(clusterName, stream.routeName, this.#usesHost ? stream.request?.authority : undefined);
    const grpc = stream.isGrpc ? grpcOutcome(grpcStatusOf(stream)) : NO_GRPC;
    const outcome = httpOutcome(stream.responseCode, grpc, flagBits(stream.responseFlags));
    const series = this.#metrics.find(peer, service, own, others, outcome, stream.request);
    series.record(
      stream.durationMs,
      stream.requestHeadBytes + stream.bytesReceived,
      stream.responseHeadBytes + stream.bytesSent,
    );
    const { requestMessages, responseMessages } = stream;
    if (requestMessages !== undefined && responseMessages !== undefined) {
      series.recordMessages(requestMessages.count, responseMessages.count);
    }
  }
}

function grpcStatusOf(stream: StreamState): string | undefined {
  return stream.responseTrailers?.get('grpc-status') ?? stream.response?.headers.get('grpc-status');
}
