/** What the handshake driver is asked for. Every command is answered by exactly one `HandshakeReport`. */
export type HandshakeCommand =
  /** Opens TLS connections, a few at a time; each sends one request, reads the answer and ends. */
  | {
      readonly kind: 'tls-clients';
      readonly port: number;
      readonly certificates: string;
      readonly count: number;
      readonly concurrency: number;
      /** Whether a connection offers the session of one before it. */
      readonly resume: boolean;
    }
  /** Starts a TLS server that echoes; answers with its `port`. */
  | { readonly kind: 'serve-tls'; readonly certificates: string }
  /** Opens plain connections, a few at a time; each has one byte echoed and ends. Handshakes are counted by the server. */
  | {
      readonly kind: 'tcp-clients';
      readonly port: number;
      readonly count: number;
      readonly concurrency: number;
    }
  /** Sends small requests over one TLS connection, until the next command, and times each. */
  | {
      readonly kind: 'probe';
      readonly port: number;
      readonly certificates: string;
      readonly everyMs: number;
    }
  | { readonly kind: 'stop-probe' };

/** What one command came to. A figure that it does not concern is 0. Units: as named. */
export interface HandshakeReport {
  readonly port: number;
  readonly completed: number;
  readonly resumed: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly elapsedMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
