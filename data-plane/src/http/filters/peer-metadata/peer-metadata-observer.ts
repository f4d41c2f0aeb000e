import { peerPrincipal, type PeerMetadataConfig, type RequestHead, type ResponseHead } from '@heddle/engine';
import type { IstioTelemetry } from '../../../stats/istio/istio-telemetry.js';
import { PEER_METADATA_HEADER, PEER_METADATA_ID_HEADER } from '../../../stats/istio/peer-metadata-header.js';
import type { ObserverContext, StreamObserver } from '../../filter.js';
import { callerPrincipal, type StreamState } from '../../stream-state.js';

/** Whatever Istio says of it, this cluster is where the mesh does not know the way. */
const PASSTHROUGH = 'PassthroughCluster';

/**
 * Tells peers in the mesh who this workload is, and learns who they are.
 *
 * Source: Istio's peer metadata filter. Unlike there, what a peer says is believed only where it agrees with the SPIFFE ID
 * that it proved, so of a plain-text peer nothing is; and what is not told is taken out, so that nobody else's words pass.
 * Cost: headers are encoded once for a process, and read once for each peer.
 */
export class PeerMetadataObserver implements StreamObserver {
  readonly #config: PeerMetadataConfig;
  readonly #telemetry: IstioTelemetry;
  readonly #istioCluster: ObserverContext['istioCluster'];

  constructor(config: PeerMetadataConfig, context: ObserverContext) {
    this.#config = config;
    this.#telemetry = context.telemetry;
    this.#istioCluster = (name) => context.istioCluster(name);
  }

  onRequestHeaders({ headers }: RequestHead, stream: StreamState): void {
    const { readsRequests, tellsDestinations } = this.#config;
    if (readsRequests) {
      const value = headers.get(PEER_METADATA_HEADER);
      if (value !== undefined) {
        stream.callerTellsMetadata = true;
        headers.remove(PEER_METADATA_HEADER);
        const { connectionInfo } = stream;
        const principal = callerPrincipal(connectionInfo);
        if (principal !== '') {
          stream.downstreamPeer = this.#telemetry.peers.find(value, principal, connectionInfo.id);
        }
      }
      headers.remove(PEER_METADATA_ID_HEADER);
    }
    if (tellsDestinations === 'no') return;
    if (this.#mayTell(stream.clusterName)) {
      headers.set(PEER_METADATA_ID_HEADER, this.#telemetry.nodeId);
      headers.set(PEER_METADATA_HEADER, this.#telemetry.localHeader);
    } else {
      headers.remove(PEER_METADATA_ID_HEADER);
      headers.remove(PEER_METADATA_HEADER);
    }
  }

  onResponseHeaders({ headers }: ResponseHead, stream: StreamState): void {
    if (this.#config.readsResponses) {
      const value = headers.get(PEER_METADATA_HEADER);
      if (value !== undefined) {
        headers.remove(PEER_METADATA_HEADER);
        const connection = stream.upstreamConnection;
        const principal = peerPrincipal(connection?.tls);
        if (principal !== '') {
          stream.upstreamPeer = this.#telemetry.peers.find(value, principal, connection?.id ?? 0);
        }
      }
      headers.remove(PEER_METADATA_ID_HEADER);
    }
    if (this.#config.tellsCallers && stream.callerTellsMetadata) {
      headers.set(PEER_METADATA_ID_HEADER, this.#telemetry.nodeId);
      headers.set(PEER_METADATA_HEADER, this.#telemetry.localHeader);
    }
  }

  #mayTell(clusterName: string): boolean {
    const cluster = this.#istioCluster(clusterName);
    if (cluster?.disableMetadataExchange === true) return false;
    if (this.#config.tellsDestinations === 'all') return true;
    return clusterName !== PASSTHROUGH && cluster?.external !== true;
  }
}
