import type { RoutingShape } from '../subjects/routing-shape.js';
import type { BodySize } from './body-size.js';

/** One comparison: a routing table, and what is done to every subject that has it. */
export type ScenarioVariant = {
  readonly name: string;
  readonly shape: RoutingShape;
  /** Subjects that take part; by default all. Names of heddle-proxy on further Nodes count as heddle-proxy. */
  readonly subjects?: readonly string[];
} & (
  | {
      readonly kind: 'load';
      readonly bodySize: BodySize;
      /** Every route in turn, or only the last one of the table. */
      readonly targets: 'all' | 'last';
      readonly connections: number;
      /** Whether latency is measured too, in an open loop at the fixed rate. */
      readonly latency: boolean;
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
  readyMs?: number;
  rssMb?: number;
  pssMb?: number;
  privateDirtyMb?: number;
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
  { name: 'readyMs', title: 'ready ms', decimals: 0 },
  { name: 'rssMb', title: 'RSS MB', decimals: 1 },
  { name: 'pssMb', title: 'Pss MB', decimals: 1 },
  { name: 'privateDirtyMb', title: 'private dirty MB', decimals: 1 },
];
