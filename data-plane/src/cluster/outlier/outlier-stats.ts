import type { Counter, Gauge, StatsStore, Tags } from '../../stats/stats-store.js';

/** What stands out at a host, in the words of Envoy's statistics. */
export type EjectionCause =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure'
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

const CAUSES: readonly EjectionCause[] = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'consecutive_local_origin_failure',
  'success_rate',
  'local_origin_success_rate',
  'failure_percentage',
  'local_origin_failure_percentage',
];

/** Source: Envoy's `cluster.<name>.outlier_detection.*`. */
export class OutlierStats {
  readonly active: Gauge;
  readonly overflow: Counter;
  readonly enforcedTotal: Counter;
  readonly detected: Readonly<Record<EjectionCause, Counter>>;
  readonly enforced: Readonly<Record<EjectionCause, Counter>>;

  constructor(store: StatsStore, tags: Tags) {
    const counter = (name: string): Counter => store.counter(`cluster.outlier_detection.${name}`, tags);
    const byCause = (prefix: string): Record<EjectionCause, Counter> =>
      Object.fromEntries(CAUSES.map((cause) => [cause, counter(`${prefix}_${cause}`)])) as Record<
        EjectionCause,
        Counter
      >;
    this.active = store.gauge('cluster.outlier_detection.ejections_active', tags);
    this.overflow = counter('ejections_overflow');
    this.enforcedTotal = counter('ejections_enforced_total');
    this.detected = byCause('ejections_detected');
    this.enforced = byCause('ejections_enforced');
  }
}
