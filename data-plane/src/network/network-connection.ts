import type { Socket } from 'node:net';
import type { ConnectionRefusal } from '../http/refused-connection.js';
import type { ConnectionInfo } from '../http/stream-state.js';

/** One downstream connection in the hands of a terminal network filter. */
export interface NetworkConnection {
  /** Finishes what is in flight, then closes. `closesIdle`: also where nothing is, before its client was told. */
  drain(closesIdle: boolean): void;
  /** Now. */
  close(): void;
}

/** A connection whose upstream is connected to before it is known whether the connection is for it. */
export interface HeldConnection {
  /** It is: goes on with it. `early` holds bytes that were read already. */
  release(early: Buffer | undefined): NetworkConnection;
  /** It is not. */
  abandon(): void;
}

/** The terminal network filter of one filter chain, shared by all its connections. Made once for each config. */
export interface NetworkFilter {
  /** Whether it takes the bytes of its sockets by `receiveBytes`: plain ones are adopted for it before. */
  readonly adoptsSockets: boolean;
  /** Waits for what it needs (routes by RDS). `onWarm` is called once, maybe inside this call. */
  start(onWarm: () => void): void;
  /** Takes a connection; `early` holds bytes that were read already. */
  accept(socket: Socket, info: ConnectionInfo, early: Buffer | undefined): NetworkConnection;
  /**
   * Connects upstream for a connection of which nothing is known yet but where it was going, and tells when something comes from there.
   * The socket is left alone until it is released. Left out: it cannot do that.
   */
  hold?(socket: Socket, info: ConnectionInfo, onUpstreamSpeaks: () => void): HeldConnection;
  /** Closes a connection that a filter before this one refuses, and tells of it as of one that it took. */
  refuse(socket: Socket, info: ConnectionInfo, refusal: ConnectionRefusal): NetworkConnection;
  /** From now on connections end after what they carry. */
  beginDrain(): void;
  /** Requests and TCP connections in flight. */
  readonly activeRequests: number;
  /** Stops watching; connections are closed by the listener. */
  close(): void;
}
