import type { envoy } from '@heddle/xds-protos';

export type DiscoveryRequest = envoy.service.discovery.v3.IDiscoveryRequest;
export type DiscoveryResponse = envoy.service.discovery.v3.DiscoveryResponse;
export type DeltaDiscoveryRequest = envoy.service.discovery.v3.IDeltaDiscoveryRequest;
export type DeltaDiscoveryResponse = envoy.service.discovery.v3.DeltaDiscoveryResponse;

export type AdsVariant = 'sotw' | 'delta';

/** One stream to a control plane. */
export interface AdsStream {
  send(request: DiscoveryRequest | DeltaDiscoveryRequest): void;
  /** Takes no more answers for now (true), or again (false). */
  pause(paused: boolean): void;
  /** Ends the stream; `onEnd` is not called. */
  close(): void;
}

export interface AdsStreamCallbacks {
  onResponse(response: DiscoveryResponse | DeltaDiscoveryResponse): void;
  /** The stream is over, for a reason for people. Called once. */
  onEnd(reason: string): void;
}

/** What opens streams; never throws: a stream that cannot be opened ends. */
export interface AdsTransport {
  open(variant: AdsVariant, callbacks: AdsStreamCallbacks): AdsStream;
}
