/** What the driver of plain TCP is asked for. Every command is answered by exactly one `TcpReport`. */
export type TcpCommand =
  /** Starts the server that the other commands need behind the proxy; answers with its `port`. */
  | { readonly kind: 'serve' }
  /** Opens connections, a few at a time; each has one byte echoed and ends. */
  | {
      readonly kind: 'connections';
      readonly port: number;
      readonly count: number;
      readonly concurrency: number;
    }
  /** Opens so many connections at once; each carries so many bytes one way. */
  | {
      readonly kind: 'transfers';
      readonly port: number;
      readonly direction: 'download' | 'upload';
      readonly connections: number;
      readonly bytesEach: number;
    };

/** What one command came to. Units: as named. */
export interface TcpReport {
  readonly port: number;
  readonly completed: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly elapsedMs: number;
}
