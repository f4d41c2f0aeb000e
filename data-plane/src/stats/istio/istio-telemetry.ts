import type { google } from '@heddle/xds-protos';
import { encodePeerMetadata } from './peer-metadata-header.js';
import type { LabelledMetrics } from './labelled-metrics.js';
import { PeerCache } from './peer-cache.js';
import { localWorkloadOf, type WorkloadMetadata } from './workload-metadata.js';

/** What an xDS node says of the proxy that Istio's filters want to know. */
export interface TelemetryNode {
  readonly id?: string | null;
  readonly metadata?: google.protobuf.IStruct | null;
}

/** Who this proxy stands for, who its peers are, and where both are counted: one for a process. */
export class IstioTelemetry {
  readonly metrics: LabelledMetrics;
  readonly local: WorkloadMetadata;
  /** The values of our own `x-envoy-peer-metadata-id` and `x-envoy-peer-metadata`. */
  readonly nodeId: string;
  readonly localHeader: string;
  readonly peers = new PeerCache();

  constructor(node: TelemetryNode, metrics: LabelledMetrics) {
    this.metrics = metrics;
    this.nodeId = node.id ?? '';
    this.local = localWorkloadOf(node.metadata);
    this.localHeader = encodePeerMetadata(this.local);
  }
}
