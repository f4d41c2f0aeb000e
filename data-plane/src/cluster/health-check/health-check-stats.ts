import type { Counter, Gauge, StatsStore, Tags } from '../../stats/stats-store.js';

/** Source: Envoy's `cluster.<name>.health_check.*`. */
export class HealthCheckStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly passiveFailure: Counter;
  readonly networkFailure: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;

  constructor(store: StatsStore, tags: Tags) {
    const counter = (name: string): Counter => store.counter(`cluster.health_check.${name}`, tags);
    this.attempt = counter('attempt');
    this.success = counter('success');
    this.failure = counter('failure');
    this.passiveFailure = counter('passive_failure');
    this.networkFailure = counter('network_failure');
    this.healthy = store.gauge('cluster.health_check.healthy', tags);
    this.degraded = store.gauge('cluster.health_check.degraded', tags);
  }
}
