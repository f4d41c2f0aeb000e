import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock, systemRandom } from '@heddle/common';
import {
  HeaderMap,
  type CertificateInfo,
  type IstioClusterConfig,
  type PeerMetadataConfig,
  type RequestHead,
  type ResponseHead,
  type TlsInfo,
} from '@heddle/engine';
import type { UpstreamConnection } from '../../../codec/stream.js';
import { IstioTelemetry } from '../../../stats/istio/istio-telemetry.js';
import { LabelledMetrics } from '../../../stats/istio/labelled-metrics.js';
import { Runtime } from '../../../runtime/runtime.js';
import { StatsStore } from '../../../stats/stats-store.js';
import { nodeMetadata } from '../../../testing/istio-samples.js';
import { StreamState, type ConnectionInfo } from '../../stream-state.js';
import { PeerMetadataObserver } from './peer-metadata-observer.js';

const VALUE = 'x-envoy-peer-metadata';
const ID = 'x-envoy-peer-metadata-id';
const INBOUND: PeerMetadataConfig = {
  readsRequests: true,
  readsResponses: false,
  tellsCallers: true,
  tellsDestinations: 'no',
};
const OUTBOUND: PeerMetadataConfig = {
  readsRequests: false,
  readsResponses: true,
  tellsCallers: false,
  tellsDestinations: 'inside',
};
const WEB = telemetryOf('front', 'web');
const CART = telemetryOf('shop', 'cart');
const WEB_PRINCIPAL = 'spiffe://cluster.local/ns/front/sa/web';

describe('the exchange of metadata', () => {
  it('tells destinations in the mesh who calls, whatever the application wrote', () => {
    const head = request({ [VALUE]: 'forged', [ID]: 'forged' });
    observer(OUTBOUND, WEB).onRequestHeaders(head, stream({ cluster: 'cart' }));
    assert.equal(head.headers.joined(VALUE), WEB.localHeader);
    assert.equal(head.headers.joined(ID), 'sidecar~127.0.0.1~web-0.front~front.svc.cluster.local');
  });

  it('tells nobody outside the mesh, and lets no words of others through', () => {
    for (const cluster of ['external', 'PassthroughCluster', 'no-exchange']) {
      const head = request({ [VALUE]: 'forged', [ID]: 'forged' });
      observer(OUTBOUND, WEB).onRequestHeaders(head, stream({ cluster }));
      assert.equal(head.headers.length, 0, cluster);
    }
  });

  it('tells everybody where it is so configured, but not where a cluster forbids it', () => {
    const all = { ...OUTBOUND, tellsDestinations: 'all' } as const;
    for (const [cluster, told] of [
      ['external', true],
      ['PassthroughCluster', true],
      ['no-exchange', false],
    ] as const) {
      const head = request({});
      observer(all, WEB).onRequestHeaders(head, stream({ cluster }));
      assert.equal(head.headers.has(VALUE), told, cluster);
    }
  });

  it('believes a caller that proved who it is, and keeps the headers from the application', () => {
    const head = request({ [VALUE]: WEB.localHeader, [ID]: WEB.nodeId, other: 'x' });
    const called = stream({ principal: WEB_PRINCIPAL });
    observer(INBOUND, CART).onRequestHeaders(head, called);
    assert.equal(called.downstreamPeer?.workload, 'web');
    assert.deepEqual(head.headers.names, ['other']);
  });

  it('believes nothing of plain text, or of somebody else', () => {
    for (const principal of ['', 'spiffe://cluster.local/ns/other/sa/web']) {
      const head = request({ [VALUE]: WEB.localHeader });
      const called = stream({ principal });
      observer(INBOUND, CART).onRequestHeaders(head, called);
      assert.equal(called.downstreamPeer, undefined);
      assert.ok(!head.headers.has(VALUE));
    }
  });

  it('tells callers the same, but only those that told', () => {
    const inbound = observer(INBOUND, CART);
    for (const headers of [{ [VALUE]: WEB.localHeader }, {}]) {
      const called = stream({ principal: WEB_PRINCIPAL });
      inbound.onRequestHeaders(request(headers), called);
      const head = response({});
      inbound.onResponseHeaders(head, called);
      assert.equal(head.headers.get(VALUE), VALUE in headers ? CART.localHeader : undefined);
      assert.equal(head.headers.has(ID), VALUE in headers);
    }
  });

  it('learns who answered from a destination that proved it, and keeps the headers from the application', () => {
    for (const [principal, workload] of [
      ['spiffe://cluster.local/ns/shop/sa/cart', 'cart'],
      ['spiffe://cluster.local/ns/other/sa/cart', undefined],
      ['', undefined],
    ] as const) {
      const head = response({ [VALUE]: CART.localHeader, [ID]: CART.nodeId });
      const calling = stream({ upstreamPrincipal: principal });
      observer(OUTBOUND, WEB).onResponseHeaders(head, calling);
      assert.equal(calling.upstreamPeer?.workload, workload);
      assert.equal(head.headers.length, 0);
    }
  });
});

const CLUSTERS: Readonly<Record<string, IstioClusterConfig>> = {
  cart: { service: undefined, external: false, disableMetadataExchange: false },
  external: { service: undefined, external: true, disableMetadataExchange: false },
  'no-exchange': { service: undefined, external: false, disableMetadataExchange: true },
};

function observer(config: PeerMetadataConfig, telemetry: IstioTelemetry): PeerMetadataObserver {
  return new PeerMetadataObserver(config, {
    clock: new FakeClock(),
    random: systemRandom,
    stats: new StatsStore(),
    statPrefix: 'test',
    runtime: new Runtime(),
    trafficDirection: 'unspecified',
    telemetry,
    istioCluster: (name) => CLUSTERS[name],
  });
}

function telemetryOf(namespace: string, workload: string): IstioTelemetry {
  return new IstioTelemetry(
    {
      id: `sidecar~127.0.0.1~${workload}-0.${namespace}~${namespace}.svc.cluster.local`,
      metadata: nodeMetadata({ NAMESPACE: namespace, WORKLOAD_NAME: workload }),
    },
    new LabelledMetrics({ clock: new FakeClock(), stats: new StatsStore() }),
  );
}

function stream(facts: { cluster?: string; principal?: string; upstreamPrincipal?: string }): StreamState {
  const info: ConnectionInfo = {
    id: 1,
    remoteAddress: '',
    remoteIp: '',
    localAddress: '',
    localIp: '',
    localPort: 0,
    requestedServerName: '',
    tls: tlsOf(facts.principal ?? ''),
    originalDestination: undefined,
    dynamicMetadata: undefined,
  };
  const state = new PlainStream(info, 0, 0);
  state.clusterName = facts.cluster ?? '';
  state.upstreamConnection = { id: 2, tls: tlsOf(facts.upstreamPrincipal ?? '') } as UpstreamConnection;
  return state;
}

class PlainStream extends StreamState {
  monotonicMs(): number {
    return 0;
  }
}

/** Plain text without a principal. */
function tlsOf(principal: string): TlsInfo | undefined {
  if (principal === '') return undefined;
  return { peer: { uriSans: [principal] } as unknown as CertificateInfo } as TlsInfo;
}

function headersOf(values: Readonly<Record<string, string>>): HeaderMap {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(values)) headers.append(name, value);
  return headers;
}

function request(values: Readonly<Record<string, string>>): RequestHead {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'cart',
    path: '/',
    headers: headersOf(values),
    version: 'HTTP/1.1',
    upgrade: '',
  };
}

function response(values: Readonly<Record<string, string>>): ResponseHead {
  return { status: 200, headers: headersOf(values), upgrade: '' };
}
