import type { RoutingShape } from '../subjects/routing-shape.js';
import type { BodySize } from './body-size.js';
import type { Http2Use } from './http2-load.js';

/** One comparison: a routing table, and what is done to every subject that has it. */
export type ScenarioVariant = {
  readonly name: string;
  readonly shape: RoutingShape;
  /** Subjects that take part; by default all proxies. Names of heddle-proxy on further Nodes count as heddle-proxy. */
  readonly subjects?: readonly string[];
  /** With what bears failure armed. */
  readonly armed?: boolean;
} & (
  | {
      readonly kind: 'load';
      readonly bodySize: BodySize;
      /** Every route in turn, or only the last one of the table. */
      readonly targets: 'all' | 'last';
      readonly connections: number;
      /** Whether latency is measured too, in an open loop at the fixed rate. */
      readonly latency: boolean;
      /** Spoken on both sides of the subject, so many streams at once on each connection. */
      readonly http2?: { readonly streams: number; readonly use: Http2Use };
      /** Two of the subject with mutual TLS between them; the one on this side is measured. */
      readonly mtls?: 'client' | 'server';
    }
  | {
      readonly kind: 'handshakes';
      /** Which side of the handshakes the subject is. */
      readonly side: 'client' | 'server';
      readonly resumes: boolean;
    }
  | {
      readonly kind: 'storm';
      /** Connections that arrive at once. */
      readonly connections: number;
    }
  | {
      readonly kind: 'tcp';
      /** Short connections, or bulk one way. */
      readonly does: 'connections' | 'download' | 'upload';
    }
  | {
      readonly kind: 'idle';
      /** How long a subject is left alone before its memory is read. */
      readonly settleMs: number;
    }
);

/** A group of comparisons that `--only` names. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly variants: readonly ScenarioVariant[];
}

/** What one subject did in one round. A figure that a variant does not measure is absent. */
export interface Measurement {
  cpuUsPerRequest?: number;
  requestsPerSecond?: number;
  addedP50Us?: number;
  addedP99Us?: number;
  cpuUsPerHandshake?: number;
  handshakesPerSecond?: number;
  resumedPercent?: number;
  cpuUsPerConnection?: number;
  connectionsPerSecond?: number;
  cpuMsPerGb?: number;
  megabytesPerSecond?: number;
  stallP99Ms?: number;
  stallMaxMs?: number;
  peakRssMb?: number;
  readyMs?: number;
  rssMb?: number;
  pssMb?: number;
  privateDirtyMb?: number;
  anonymousMb?: number;
}

export type MetricName = keyof Measurement;

/** How the figures are headed and printed, in their order. */
export const METRICS: readonly {
  readonly name: MetricName;
  readonly title: string;
  readonly decimals: number;
}[] = [
  { name: 'cpuUsPerRequest', title: 'CPU µs/request', decimals: 1 },
  { name: 'requestsPerSecond', title: 'requests/s', decimals: 0 },
  { name: 'addedP50Us', title: 'added p50 µs', decimals: 0 },
  { name: 'addedP99Us', title: 'added p99 µs', decimals: 0 },
  { name: 'cpuUsPerHandshake', title: 'CPU µs/handshake', decimals: 0 },
  { name: 'handshakesPerSecond', title: 'handshakes/s', decimals: 0 },
  { name: 'resumedPercent', title: 'resumed %', decimals: 1 },
  { name: 'cpuUsPerConnection', title: 'CPU µs/connection', decimals: 0 },
  { name: 'connectionsPerSecond', title: 'connections/s', decimals: 0 },
  { name: 'cpuMsPerGb', title: 'CPU ms/GB', decimals: 0 },
  { name: 'megabytesPerSecond', title: 'MB/s', decimals: 0 },
  { name: 'stallP99Ms', title: 'others wait, p99 ms', decimals: 1 },
  { name: 'stallMaxMs', title: 'others wait, max ms', decimals: 1 },
  { name: 'peakRssMb', title: 'peak RSS MB', decimals: 1 },
  { name: 'readyMs', title: 'ready ms', decimals: 0 },
  { name: 'rssMb', title: 'RSS MB', decimals: 1 },
  { name: 'pssMb', title: 'Pss MB', decimals: 1 },
  { name: 'privateDirtyMb', title: 'private dirty MB', decimals: 1 },
  { name: 'anonymousMb', title: 'anonymous MB', decimals: 1 },
];
