import type { Http2Use } from './http2-load.js';

/** Where one request goes. */
export interface RequestTarget {
  readonly host: string;
  readonly path: string;
}

/** What the load generator is asked for. Every command is answered by exactly one `GeneratorReport`. */
export type GeneratorCommand =
  | {
      readonly kind: 'connect';
      readonly port: number;
      readonly connections: number;
      readonly targets: readonly RequestTarget[];
      readonly bodyBytes: number;
      readonly http2?: { readonly streams: number; readonly use: Http2Use } | undefined;
    }
  /** Each connection sends its next request when the last one is answered. */
  | { readonly kind: 'closed-loop' }
  /** Starts a window: latencies are counted from here. */
  | { readonly kind: 'mark' }
  /** Ends the window: answers with what completed since the mark, and goes on. */
  | { readonly kind: 'measure' }
  /** Lets what is in flight finish. */
  | { readonly kind: 'pause' }
  /** Sends at a fixed rate, whatever the answers do; answers when the last is in. */
  | { readonly kind: 'open-loop'; readonly ratePerSecond: number; readonly seconds: number }
  | { readonly kind: 'disconnect' };

/** What completed since the last mark, and what failed since the start. Units: as named. */
export interface GeneratorReport {
  readonly completed: number;
  /** Completed since the generator started. */
  readonly totalCompleted: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly elapsedMs: number;
  readonly p50Us: number | undefined;
  readonly p99Us: number | undefined;
  /** How late the generator itself was at worst: large values spoil the latencies. */
  readonly worstTickMs: number;
}
