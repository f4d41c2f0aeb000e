import type { OnReadOpts, Socket } from 'node:net';
import type { AddressConfig, DownstreamTlsConfig, TlsInfo, UpstreamTlsConfig } from '@heddle/engine';
import type { Tags } from '../stats/stats-store.js';

/** What the first bytes of a TLS connection told. */
export interface ClientHelloFacts {
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
  /** Read already. */
  readonly early: Buffer | undefined;
}

/** Told once, by one of the two. */
export interface DownstreamTransportCallbacks {
  /** The peer is accepted; `socket` stands in place of the one that was given. */
  onAccepted(socket: Socket, info: TlsInfo): void;
  /** The connection is closed. `reason` is for logs. */
  onFailed(reason: string, isTimeout?: boolean): void;
}

/** The transport socket of one filter chain. */
export interface DownstreamTransport {
  /** Waits for its secrets. `onWarm` is called once, maybe inside this call. */
  start(onWarm: () => void): void;
  /** Takes an accepted socket; `address` is whose share of handshakes it counts to. */
  accept(
    socket: Socket,
    hello: ClientHelloFacts,
    address: string,
    callbacks: DownstreamTransportCallbacks,
  ): void;
  close(): void;
}

/** Where an upstream connection goes. */
export interface UpstreamTarget {
  readonly address: AddressConfig;
  /** `host:port`, made once. */
  readonly addressText: string;
  readonly bindAddress: AddressConfig | undefined;
  readonly keepAliveIdleMs: number | undefined;
  /** How the socket is made, by whoever wants to read from it in a way of its own. */
  readonly makeSocket?: MakeTlsSocket | undefined;
  /** What TLS is spoken over, where that is not a new connection to `address`. */
  readonly inner?: Socket | undefined;
}

/** Calls what it is given, with the option `onread` of the socket or without one, and returns what that returns. */
export type MakeTlsSocket = <T extends Socket>(connect: (onread: OnReadOpts | undefined) => T) => T;

/** What is spoken over a connection: of the configured protocols those are agreed on that fit. `auto`: either version of HTTP. */
export type SpokenProtocols = 'http1' | 'http2' | 'auto' | 'any';

/** HTTP/2, by its own name and by Istio's. */
const HTTP2: ReadonlySet<string> = new Set(['h2', 'istio-h2']);

/** Whether whoever agreed on that protocol speaks HTTP/2. */
export function isHttp2Protocol(protocol: string): boolean {
  return HTTP2.has(protocol);
}

/** The transport socket of one cluster. */
export interface UpstreamTransport {
  start(onWarm: () => void): void;
  /**
   * Starts connecting. The socket emits `verified` once its peer is accepted, and nothing may be written before. When that cannot be,
   * it is destroyed with an error whose message says why, in Envoy's form.
   */
  connect(target: UpstreamTarget, protocols: SpokenProtocols, sni?: string): Socket;
  close(): void;
}

/** The event of a socket whose peer is accepted. */
export const VERIFIED_EVENT = 'verified';

/** What one context shows of itself and whom it trusts, as PEM. */
export interface ContextCertificates {
  readonly chainsPem: readonly string[];
  readonly rootsPem: string;
}

/** Makes transport sockets of TLS. Its implementation is loaded when the first is wanted. */
export interface TlsTransports {
  /** What keeps a context from ever working here; its resource is refused then. */
  problems(config: DownstreamTlsConfig | UpstreamTlsConfig): readonly string[];
  downstream(
    config: DownstreamTlsConfig,
    options: {
      readonly statTags: Tags;
      /** What the chain speaks. */
      readonly speaks: SpokenProtocols;
      /** 0 stands for the default. */
      readonly timeoutMs: number;
    },
  ): DownstreamTransport;
  upstream(config: UpstreamTlsConfig, options: { readonly statTags: Tags }): UpstreamTransport;
  /** Of every context in use, for whoever shows them. */
  certificates(): readonly ContextCertificates[];
}
