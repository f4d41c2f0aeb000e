import type { Socket } from 'node:net';
import type { connectEventOf } from '../open-socket.js';

/** What one check found out. */
export type ProbeResult =
  | { readonly kind: 'passed'; readonly degraded: boolean }
  | {
      readonly kind: 'failed';
      /** No connection, none any more, or no answer in time; otherwise the answer was wrong. */
      readonly network: boolean;
      /** The answer is one of those of which it takes several. */
      readonly retriable: boolean;
      /** The host asks to be left out at once. */
      readonly excluded: boolean;
      readonly reason: string;
    };

/** Asks one host, again and again. */
export interface Probe {
  /** Asks once. `done` is called once, unless `cancel` comes first. */
  run(done: (result: ProbeResult) => void): void;
  /** Gives up what is under way, and the connection. */
  cancel(): void;
}

/** A connection to a host, still being made. */
export interface ProbeConnection {
  readonly socket: Socket;
  readonly readyEvent: ReturnType<typeof connectEventOf>;
}

export function networkFailure(reason: string): ProbeResult {
  return { kind: 'failed', network: true, retriable: false, excluded: false, reason };
}
