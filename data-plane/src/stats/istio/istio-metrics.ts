import {
  readRequestAttribute,
  type IstioStatsConfig,
  type LabelExpression,
  type RequestHead,
} from '@heddle/engine';
import type { Counter, Histogram } from '../stats-store.js';
import { EdgeTable, type PeerKey, type ServiceKey } from './edge-table.js';
import { flagText, HTTP_LABELS, TCP_LABELS, type Reporter } from './istio-labels.js';
import type { IstioTelemetry } from './istio-telemetry.js';
import type { Series } from './labelled-metrics.js';
import { planMetrics, seriesOf, valueNameOf } from './metric-plan.js';

/** What one kind of request is counted by. */
export class HttpSeries {
  readonly #requests: Counter | undefined;
  readonly #duration: Histogram | undefined;
  readonly #requestBytes: Histogram | undefined;
  readonly #responseBytes: Histogram | undefined;
  readonly #requestMessages: Counter | undefined;
  readonly #responseMessages: Counter | undefined;

  constructor(
    requests: Series<Counter> | undefined,
    duration: Series<Histogram> | undefined,
    requestBytes: Series<Histogram> | undefined,
    responseBytes: Series<Histogram> | undefined,
    requestMessages: Series<Counter> | undefined,
    responseMessages: Series<Counter> | undefined,
  ) {
    this.#requestMessages = requestMessages?.metric;
    this.#responseMessages = responseMessages?.metric;
    this.#requests = requests?.metric;
    this.#duration = duration?.metric;
    this.#requestBytes = requestBytes?.metric;
    this.#responseBytes = responseBytes?.metric;
  }

  /** Of a call by gRPC, beside `record`. */
  recordMessages(requests: number, responses: number): void {
    this.#requestMessages?.add(requests);
    this.#responseMessages?.add(responses);
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

/** What a request says, by which its series are told apart as well. */
type RequestExpression = Exclude<LabelExpression, { readonly kind: 'text' | 'label' }>;

/** Above this, what a request says is not told. */
const LONGEST_ATTRIBUTE = 253;

/** The series of requests, for one configuration of the stats filter. */
export class HttpMetrics {
  readonly #table: EdgeTable<HttpSeries>;
  readonly #attributes: readonly RequestExpression[];

  constructor(telemetry: IstioTelemetry, config: IstioStatsConfig, reporter: Reporter) {
    const { metrics, local } = telemetry;
    const plan = planMetrics(metrics, config, HTTP_LABELS, reporter);
    const requests = plan.counter('requests_total');
    const duration = plan.histogram('request_duration_milliseconds');
    const requestBytes = plan.histogram('request_bytes');
    const responseBytes = plan.histogram('response_bytes');
    const requestMessages = plan.counter('request_messages_total');
    const responseMessages = plan.counter('response_messages_total');
    this.#attributes = requestExpressionsOf(config);
    this.#table = new EdgeTable(metrics, reporter, local, (labels, outcome) => {
      const [number = '0', ...told] = String(outcome).split('\n');
      const ended = Number(number);
      const grpc = Math.floor(ended / STATUS_RANGE) % GRPC_RANGE;
      const values: Record<string, string> = {
        ...labels,
        request_protocol: grpc === NO_GRPC ? 'http' : 'grpc',
        response_code: String(ended % STATUS_RANGE),
        grpc_response_status: grpcText(grpc),
        response_flags: flagText(Math.floor(ended / FLAGS_FROM)),
      };
      this.#attributes.forEach((attribute, i) => {
        if (told[i] !== undefined && told[i] !== '') values[valueNameOf(attribute)] = told[i];
      });
      return new HttpSeries(
        seriesOf(requests, values),
        seriesOf(duration, values),
        seriesOf(requestBytes, values),
        seriesOf(responseBytes, values),
        grpc === NO_GRPC ? undefined : seriesOf(requestMessages, values),
        grpc === NO_GRPC ? undefined : seriesOf(responseMessages, values),
      );
    });
  }

  /** `outcome` as `httpOutcome` makes it. Cost: a text is made only where labels are told by requests. */
  find(
    peer: PeerKey,
    service: ServiceKey,
    localPrincipal: string,
    peerPrincipal: string,
    outcome: number,
    request: RequestHead | undefined,
  ): HttpSeries {
    const key = this.#attributes.length === 0 ? outcome : this.#keyOf(outcome, request);
    return this.#table.find(peer, service, localPrincipal, peerPrincipal, key);
  }

  #keyOf(outcome: number, request: RequestHead | undefined): string {
    let key = String(outcome);
    for (const attribute of this.#attributes) {
      const value = (request && readRequestAttribute(attribute, request)) ?? '';
      // No header value holds a line feed.
      key += `\n${value.length > LONGEST_ATTRIBUTE ? '' : value}`;
    }
    return key;
  }
}

/** Each once, of all metrics of requests. */
function requestExpressionsOf({ overrides }: IstioStatsConfig): readonly RequestExpression[] {
  const found = new Map<string, RequestExpression>();
  for (const { set } of overrides.values()) {
    for (const expression of set.values()) {
      if (expression.kind === 'header' || expression.kind === 'url-path')
        found.set(valueNameOf(expression), expression);
    }
  }
  return [...found.values()];
}

/** The table of the series of connections; outcomes are response flags as `flagBits` makes them. */
export function tcpSeriesTable(
  telemetry: IstioTelemetry,
  config: IstioStatsConfig,
  reporter: Reporter,
): EdgeTable<TcpSeries> {
  const { metrics, local } = telemetry;
  const plan = planMetrics(metrics, config, TCP_LABELS, reporter);
  const opened = plan.counter('tcp_connections_opened_total');
  const closed = plan.counter('tcp_connections_closed_total');
  const sent = plan.counter('tcp_sent_bytes_total');
  const received = plan.counter('tcp_received_bytes_total');
  return new EdgeTable(metrics, reporter, local, (labels, flags) => {
    const values = { ...labels, request_protocol: 'tcp', response_flags: flagText(Number(flags)) };
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
