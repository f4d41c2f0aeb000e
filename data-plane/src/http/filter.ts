import type { Clock, Random } from '@heddle/common';
import type {
  HeaderMap,
  IstioClusterConfig,
  LocalReply,
  RequestHead,
  ResponseHead,
  RuntimeSettings,
  TrafficDirection,
} from '@heddle/engine';
import type { ResourceSubscription } from '../config-source.js';
import type { IstioTelemetry } from '../stats/istio/istio-telemetry.js';
import type { SharedLimits } from '../shared/shared-limits.js';
import type { StatsStore } from '../stats/stats-store.js';
import type { StreamState } from './stream-state.js';

/**
 * What a filter says about the message passing through it. Always synchronous; who stops, continues later by its handle.
 *
 * - `Continue`: the next filter gets it. Said of data while the head is held, it lets the head go first.
 * - `StopIteration`: later filters wait. This filter still sees what follows; what it stops is kept for later filters, up to the
 *   buffer limit (then 413 or 500).
 * - `StopAllIterationAndBuffer`: this filter waits as well; what follows is kept, up to the buffer limit (then 413 or 500).
 * - `StopAllIterationAndWatermark`: the same, but reading from the peer pauses at the limit.
 * - `Replaced`: of data and trailers: they go no further. What goes on in their place, the filter hands to its handle, maybe later.
 */
export const FilterStatus = Object.freeze({
  Continue: 0,
  StopIteration: 1,
  StopAllIterationAndBuffer: 2,
  StopAllIterationAndWatermark: 3,
  Replaced: 4,
} as const);
export type FilterStatus = (typeof FilterStatus)[keyof typeof FilterStatus];

/** Sees requests on their way to the upstream. A method that is left out lets everything pass. */
export interface DecoderFilter {
  decodeHeaders?(head: RequestHead, endStream: boolean): FilterStatus;
  decodeData?(chunk: Buffer, endStream: boolean): FilterStatus;
  decodeTrailers?(trailers: HeaderMap): FilterStatus;
  /** The stream is over; cancel what is pending. */
  onDestroy(): void;
}

/** Sees responses on their way to the client. A method that is left out lets everything pass. */
export interface EncoderFilter {
  encodeHeaders?(head: ResponseHead, endStream: boolean): FilterStatus;
  encodeData?(chunk: Buffer, endStream: boolean): FilterStatus;
  encodeTrailers?(trailers: HeaderMap): FilterStatus;
  onDestroy(): void;
}

/** A filter of one stream: one direction or both. */
export type StreamFilter = DecoderFilter & EncoderFilter;

/** What a filter may do with its stream. */
export interface FilterHandle {
  /** Everything known of the request; filters record flags here. */
  readonly info: StreamState;
  /** The override of this filter by weighted cluster, route, virtual host or table, whichever is most specific. */
  routeConfig(): unknown;
  /** What all of these say that say anything, the most specific first. */
  routeConfigs(): readonly unknown[];
  /** Looks for the route anew, where there was none: all filters go by it. False: the request is answered already. */
  findRouteAgain(): boolean;
  /** Resumes what this filter stopped. Never from inside the call that stops. */
  continueDecoding(): void;
  continueEncoding(): void;
  /**
   * Hands data to those behind this filter, in place of what it has replaced. Whatever it holds goes first; a head that is held ends
   * the message where no data follow it.
   */
  passDecoded(chunk: Buffer, endStream: boolean): void;
  passEncoded(chunk: Buffer, endStream: boolean): void;
  /** Answers instead of the upstream, or resets the stream when an answer has already begun. */
  sendLocalReply(reply: LocalReply): void;
}

/** The end of the chain: the router. It takes everything and calls `ResponseSink` of the chain with the answer. */
export interface TerminalFilter {
  decodeHeaders(head: RequestHead, endStream: boolean): void;
  decodeData(chunk: Buffer, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
  /** The client reads slower than we write (true), or keeps up again (false). */
  onDownstreamWatermark(above: boolean): void;
  onDestroy(): void;
}

/** What filters of one connection manager share. */
export interface FilterFactoryContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly statPrefix: string;
  readonly runtime: RuntimeSettings;
  /** Where the threads of a process limit together; undefined: there is one. */
  readonly limits?: SharedLimits | undefined;
  /** undefined: nothing can be asked for. */
  readonly fetcher?: RouteFetcher;
}

/** Asks the control plane for what a request needs and is not there. Both call back once, later; undefined: nothing is asked. */
export interface RouteFetcher {
  /** Whether requests may be sent to a cluster of this name. */
  hasCluster(name: string): boolean;
  /** The virtual host of its domain. */
  host(head: RequestHead, onAnswer: () => void): ResourceSubscription | undefined;
  cluster(name: string, onAnswer: () => void): ResourceSubscription | undefined;
}

/** Makes the filter of one stream; undefined when it has nothing to do for any stream. */
export type StreamFilterFactory = (handle: FilterHandle) => StreamFilter;

/**
 * Sees heads on their way and the end of every stream, and stops none of them: one for all streams of a connection manager.
 *
 * Shape: requests before any filter sees them, responses after every filter, wherever it stands in the chain.
 */
export interface StreamObserver {
  /** The route is found; the filters come next. */
  onRequestHeaders?(head: RequestHead, stream: StreamState): void;
  /** Final responses, local replies included. */
  onResponseHeaders?(head: ResponseHead, stream: StreamState): void;
  /** Everything about the stream is known; also of bytes that were no request. */
  onStreamEnd?(stream: StreamState): void;
}

/**
 * A kind of HTTP filter. Its config was parsed by the engine (`parse` of the filter's own message) when it came by xDS.
 *
 * Shape: `create` runs once per config update and returns what makes one filter per stream.
 */
export interface HttpFilter {
  readonly name: string;
  readonly typeUrl: string;
  create(config: unknown, context: FilterFactoryContext): StreamFilterFactory;
  /** Whether such a filter has nothing to do but what routes say of it. Left out: it has. */
  isIdle?(config: unknown): boolean;
  /** Whether it may find the route of a request. Default false. */
  readonly findsRoutes?: boolean;
}

/** What observers of one connection manager are given. */
export interface ObserverContext extends FilterFactoryContext {
  readonly trafficDirection: TrafficDirection;
  readonly telemetry: IstioTelemetry;
  /** What the control plane says of a cluster beside how it is reached. */
  istioCluster(name: string): IstioClusterConfig | undefined;
}

/**
 * A kind of HTTP filter that stops nothing: a stream has no filter of it.
 *
 * Shape: `observe` runs once per config update; undefined when there is nothing to do.
 */
export interface HttpObserver {
  readonly name: string;
  readonly typeUrl: string;
  observe(config: unknown, context: ObserverContext): StreamObserver | undefined;
}
