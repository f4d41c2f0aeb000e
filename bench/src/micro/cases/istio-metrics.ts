import { FakeClock, systemRandom } from '@heddle/common';
import {
  IstioStatsObserver,
  IstioTelemetry,
  LabelledMetrics,
  PeerMetadataObserver,
  StatsStore,
  StreamState,
  type ConnectionInfo,
  type ObserverContext,
} from '@heddle/data-plane';
import { HeaderMap, type CertificateInfo, type ResponseHead, type TlsInfo } from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const CALLERS = 40;
const STATUSES = [200, 200, 200, 404, 503];
const HEADER = 'x-envoy-peer-metadata';

/** What one request costs a sidecar for knowing who called, and for counting it. */
export const istioMetrics: readonly MicroCase[] = [
  {
    name: `Istio metrics: a request counted at its destination, ${CALLERS} callers`,
    create() {
      const context = contextOf('inbound');
      const observer = new IstioStatsObserver(
        { disableHostHeaderFallback: true, overrides: new Map() },
        context,
      );
      const streams = Array.from({ length: CALLERS * STATUSES.length }, (_, i) => {
        const caller = i % CALLERS;
        const stream = new CountedStream(connectionOf(caller), 0, 0);
        stream.request = exampleHead('cart.shop', '/api/resource-7/items/1k');
        stream.clusterName = 'inbound|8080||';
        stream.responseCode = STATUSES[i % STATUSES.length] as number;
        stream.bytesSent = 1024;
        stream.endedAtMs = 3;
        stream.downstreamPeer = context.telemetry.peers.find(
          telemetryOf(`caller-${caller}`).localHeader,
          principalOf(`caller-${caller}`),
          caller,
        );
        return stream;
      });
      return (count) => {
        for (let i = 0; i < count; i++) observer.onStreamEnd(streams[i % streams.length] as StreamState);
        return context.telemetry.metrics.maxSeries;
      };
    },
  },
  {
    name: 'Istio metrics: who called, read from the request and told in the response',
    create() {
      const context = contextOf('inbound');
      const observer = new PeerMetadataObserver(
        { readsRequests: true, readsResponses: false, tellsCallers: true, tellsDestinations: 'no' },
        context,
      );
      // As a codec cuts it from a message: another string each time.
      const texts = Array.from({ length: CALLERS }, (_, i) => `x${telemetryOf(`caller-${i}`).localHeader}`);
      const connections = Array.from({ length: CALLERS }, (_, i) => connectionOf(i));
      const request = exampleHead('cart.shop', '/api/resource-7/items/1k');
      return (count) => {
        let known = 0;
        for (let i = 0; i < count; i++) {
          const caller = i % CALLERS;
          const stream = new CountedStream(connections[caller] as ConnectionInfo, 0, 0);
          request.headers.append(HEADER, (texts[caller] as string).substring(1));
          request.headers.append(`${HEADER}-id`, 'sidecar~127.0.0.1~caller.front~front.svc.cluster.local');
          observer.onRequestHeaders(request, stream);
          const response: ResponseHead = { status: 200, headers: new HeaderMap(), upgrade: '' };
          observer.onResponseHeaders(response, stream);
          known += stream.downstreamPeer === undefined ? 0 : 1;
        }
        return known;
      };
    },
  },
];

class CountedStream extends StreamState {
  monotonicMs(): number {
    return 0;
  }
}

function principalOf(workload: string): string {
  return `spiffe://cluster.local/ns/front/sa/${workload}`;
}

function connectionOf(caller: number): ConnectionInfo {
  const certificate = (workload: string): CertificateInfo =>
    ({ uriSans: [principalOf(workload)] }) as unknown as CertificateInfo;
  return {
    id: caller,
    remoteAddress: '',
    remoteIp: '',
    localAddress: '',
    localIp: '',
    localPort: 0,
    requestedServerName: '',
    tls: { peer: certificate(`caller-${caller}`), local: certificate('cart') } as unknown as TlsInfo,
    originalDestination: undefined,
    dynamicMetadata: undefined,
  };
}

function telemetryOf(workload: string): IstioTelemetry {
  const text = (stringValue: string): { stringValue: string } => ({ stringValue });
  const labels = {
    app: text(workload),
    version: text('v1'),
    'service.istio.io/canonical-name': text(workload),
    'service.istio.io/canonical-revision': text('v1'),
  };
  const fields = {
    NAME: text(`${workload}-0`),
    NAMESPACE: text('front'),
    WORKLOAD_NAME: text(workload),
    CLUSTER_ID: text('Kubernetes'),
    LABELS: { structValue: { fields: labels } },
  };
  const id = `sidecar~127.0.0.1~${workload}-0.front~front.svc.cluster.local`;
  const metrics = new LabelledMetrics({ clock: new FakeClock(), stats: new StatsStore() });
  return new IstioTelemetry({ id, metadata: { fields } }, metrics);
}

function contextOf(trafficDirection: 'inbound' | 'outbound'): ObserverContext {
  const service = { host: 'cart.front.svc.cluster.local', name: 'cart', namespace: 'front' };
  const istio = { service, external: false, disableMetadataExchange: false };
  const clusters = new Map([['inbound|8080||', istio]]);
  return {
    clock: new FakeClock(),
    random: systemRandom,
    stats: new StatsStore(),
    statPrefix: 'bench',
    runtime: { isEmpty: true, ratio: (_, otherwise) => otherwise, integer: (_, otherwise) => otherwise },
    trafficDirection,
    telemetry: telemetryOf('cart'),
    istioCluster: (name) => clusters.get(name),
  };
}
