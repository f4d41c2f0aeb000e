import type { IstioMetricName, IstioStatsConfig } from '@heddle/engine';
import type { Counter, Histogram } from '../stats-store.js';
import { EdgeTable } from './edge-table.js';
import {
  flagText,
  HTTP_LABELS,
  labelText,
  overflowText,
  TCP_LABELS,
  type LabelPlan,
  type LabelValues,
  type Reporter,
} from './istio-labels.js';
import type { IstioTelemetry } from './istio-telemetry.js';
import type { LabelledMetrics, MetricFamily, Series } from './labelled-metrics.js';

const HELP: Readonly<Record<IstioMetricName, string>> = {
  requests_total: 'Requests.',
  request_duration_milliseconds:
    'Time from the first byte of a request to the last of its response, in milliseconds.',
  request_bytes: 'Bytes of requests, heads and bodies.',
  response_bytes: 'Bytes of responses, heads and bodies.',
  tcp_connections_opened_total: 'TCP connections that were opened.',
  tcp_connections_closed_total: 'TCP connections that were closed.',
  tcp_sent_bytes_total: 'Bytes that were sent to the clients of TCP connections.',
  tcp_received_bytes_total: 'Bytes that were received from the clients of TCP connections.',
};

/** A metric as one configuration reports it; undefined when it drops it. */
interface PlannedFamily<M extends Counter | Histogram> {
  readonly family: MetricFamily<M>;
  readonly plan: LabelPlan;
  readonly overflow: string;
}

/** What one kind of request is counted by. */
export class HttpSeries {
  readonly #requests: Counter | undefined;
  readonly #duration: Histogram | undefined;
  readonly #requestBytes: Histogram | undefined;
  readonly #responseBytes: Histogram | undefined;

  constructor(
    requests: Series<Counter> | undefined,
    duration: Series<Histogram> | undefined,
    requestBytes: Series<Histogram> | undefined,
    responseBytes: Series<Histogram> | undefined,
  ) {
    this.#requests = requests?.metric;
    this.#duration = duration?.metric;
    this.#requestBytes = requestBytes?.metric;
    this.#responseBytes = responseBytes?.metric;
  }

  record(durationMs: number, requestBytes: number, responseBytes: number): void {
    this.#requests?.inc();
    this.#duration?.record(durationMs);
    this.#requestBytes?.record(requestBytes);
    this.#responseBytes?.record(responseBytes);
  }
}

/** What one kind of TCP connection is counted by. `hold` and `release` bracket the time over which it counts. */
export class TcpSeries {
  readonly #all: readonly (Series<Counter> | undefined)[];
  readonly #opened: Counter | undefined;
  readonly #closed: Counter | undefined;
  readonly #sent: Counter | undefined;
  readonly #received: Counter | undefined;

  constructor(
    opened: Series<Counter> | undefined,
    closed: Series<Counter> | undefined,
    sent: Series<Counter> | undefined,
    received: Series<Counter> | undefined,
  ) {
    this.#all = [opened, closed, sent, received];
    this.#opened = opened?.metric;
    this.#closed = closed?.metric;
    this.#sent = sent?.metric;
    this.#received = received?.metric;
  }

  open(): void {
    for (const series of this.#all) if (series !== undefined) series.holders++;
    this.#opened?.inc();
  }

  close(): void {
    for (const series of this.#all) if (series !== undefined) series.holders--;
    this.#closed?.inc();
  }

  sent(bytes: number): void {
    this.#sent?.add(bytes);
  }

  received(bytes: number): void {
    this.#received?.add(bytes);
  }
}

/** How a request ended, as one number: `httpOutcome` makes it. */
const STATUS_RANGE = 1024;
const GRPC_RANGE = 32;
const FLAGS_FROM = STATUS_RANGE * GRPC_RANGE;

/** Not a gRPC request; a gRPC request without status; with a status that is not one. */
export const NO_GRPC = 0;
export const GRPC_WITHOUT_STATUS = 1;
const GRPC_STATUS_FROM = 2;
const MOST_GRPC_STATUS = 16;
const GRPC_INVALID_STATUS = GRPC_STATUS_FROM + MOST_GRPC_STATUS + 1;

/** A gRPC status as a part of an outcome. */
export function grpcOutcome(status: string | undefined): number {
  if (status === undefined) return GRPC_WITHOUT_STATUS;
  const number = /^\d{1,2}$/.test(status) ? Number(status) : Infinity;
  return number <= MOST_GRPC_STATUS ? GRPC_STATUS_FROM + number : GRPC_INVALID_STATUS;
}

/** Status (0: none was sent), gRPC and flags as one number, which is a small one without flags. */
export function httpOutcome(status: number, grpc: number, flags: number): number {
  return status + STATUS_RANGE * grpc + (flags === 0 ? 0 : FLAGS_FROM * flags);
}

/** Makes the table of the series of requests, for one configuration of the stats filter. */
export function httpSeriesTable(
  telemetry: IstioTelemetry,
  config: IstioStatsConfig,
  reporter: Reporter,
): EdgeTable<HttpSeries> {
  const { metrics, local } = telemetry;
  const plan = planner(metrics, config, HTTP_LABELS, reporter);
  const requests = plan.counter('requests_total');
  const duration = plan.histogram('request_duration_milliseconds');
  const requestBytes = plan.histogram('request_bytes');
  const responseBytes = plan.histogram('response_bytes');
  return new EdgeTable(metrics, reporter, local, (labels, outcome) => {
    const grpc = Math.floor(outcome / STATUS_RANGE) % GRPC_RANGE;
    const values = {
      ...labels,
      request_protocol: grpc === NO_GRPC ? 'http' : 'grpc',
      response_code: String(outcome % STATUS_RANGE),
      grpc_response_status: grpcText(grpc),
      response_flags: flagText(Math.floor(outcome / FLAGS_FROM)),
    };
    return new HttpSeries(
      seriesOf(requests, values),
      seriesOf(duration, values),
      seriesOf(requestBytes, values),
      seriesOf(responseBytes, values),
    );
  });
}

/** The same for connections; outcomes are response flags as `flagBits` makes them. */
export function tcpSeriesTable(
  telemetry: IstioTelemetry,
  config: IstioStatsConfig,
  reporter: Reporter,
): EdgeTable<TcpSeries> {
  const { metrics, local } = telemetry;
  const plan = planner(metrics, config, TCP_LABELS, reporter);
  const opened = plan.counter('tcp_connections_opened_total');
  const closed = plan.counter('tcp_connections_closed_total');
  const sent = plan.counter('tcp_sent_bytes_total');
  const received = plan.counter('tcp_received_bytes_total');
  return new EdgeTable(metrics, reporter, local, (labels, flags) => {
    const values = { ...labels, request_protocol: 'tcp', response_flags: flagText(flags) };
    return new TcpSeries(
      seriesOf(opened, values),
      seriesOf(closed, values),
      seriesOf(sent, values),
      seriesOf(received, values),
    );
  });
}

function grpcText(grpc: number): string {
  if (grpc < GRPC_STATUS_FROM) return '';
  return grpc === GRPC_INVALID_STATUS ? '-1' : String(grpc - GRPC_STATUS_FROM);
}

function seriesOf<M extends Counter | Histogram>(
  planned: PlannedFamily<M> | undefined,
  values: LabelValues,
): Series<M> | undefined {
  return planned?.family.series(labelText(planned.plan, values), planned.overflow);
}

interface Planner {
  counter(name: IstioMetricName): PlannedFamily<Counter> | undefined;
  histogram(name: IstioMetricName): PlannedFamily<Histogram> | undefined;
}

function planner(
  metrics: LabelledMetrics,
  config: IstioStatsConfig,
  labels: readonly string[],
  reporter: Reporter,
): Planner {
  const planned = <M extends Counter | Histogram>(
    name: IstioMetricName,
    family: MetricFamily<M>,
  ): PlannedFamily<M> => {
    const plan = planOf(labels, config, name);
    return { family, plan, overflow: overflowText(plan, reporter) };
  };
  const isDropped = (name: IstioMetricName): boolean => config.overrides.get(name)?.drop === true;
  return {
    counter: (name) =>
      isDropped(name) ? undefined : planned(name, metrics.counter(`istio_${name}`, HELP[name])),
    histogram: (name) =>
      isDropped(name) ? undefined : planned(name, metrics.histogram(`istio_${name}`, HELP[name])),
  };
}

function planOf(labels: readonly string[], config: IstioStatsConfig, name: IstioMetricName): LabelPlan {
  const override = config.overrides.get(name);
  const kept = labels.filter((label) => override?.remove.includes(label) !== true);
  const added = [...(override?.set.keys() ?? [])].filter((label) => !labels.includes(label));
  return {
    labels: [...kept, ...added].map((label) => {
      const value = override?.set.get(label);
      return value === undefined ? { name: label } : { name: label, value };
    }),
  };
}
