import type { LabelledMetrics } from './labelled-metrics.js';
import {
  edgeLabels,
  serviceOfKey,
  type DestinationService,
  type LabelValues,
  type Reporter,
} from './istio-labels.js';
import { workloadMetadataOfEndpoint, type WorkloadMetadata } from './workload-metadata.js';

/** Nothing is known of the peer. */
export const UNKNOWN_PEER = '';

/** Metadata that a peer told and proved, or the text that the control plane told of an endpoint; empty: unknown. */
export type PeerKey = WorkloadMetadata | string;

/** A service that the control plane named, or what `serviceKey` makes of one that it did not. */
export type ServiceKey = DestinationService | string;

/** How a call ended, as its maker can read it: a number, which is the fastest to find, or a text. */
export type Outcome = number | string;

interface EdgeEntry<S> {
  readonly localPrincipal: string;
  readonly peerPrincipal: string;
  readonly labels: LabelValues;
  readonly series: Map<Outcome, S>;
  /** The same two sides with other principals. */
  next: EdgeEntry<S> | undefined;
}

/**
 * Finds the series of a call by who calls whom and by how it ended.
 *
 * Bounds: forgets everything it links when that becomes more than twice what the store may hold, and when the store has
 * evicted series.
 * Cost: three look-ups by object identity or small number; texts are made for a series' first call only.
 */
export class EdgeTable<S> {
  readonly #metrics: LabelledMetrics;
  readonly #reporter: Reporter;
  readonly #local: WorkloadMetadata;
  readonly #make: (labels: LabelValues, outcome: Outcome) => S;
  readonly #edges = new Map<PeerKey, Map<ServiceKey, EdgeEntry<S>>>();
  #links = 0;
  #generation = 0;

  /** `make` gives the series for the labels of the two sides and an outcome. */
  constructor(
    metrics: LabelledMetrics,
    reporter: Reporter,
    local: WorkloadMetadata,
    make: (labels: LabelValues, outcome: Outcome) => S,
  ) {
    this.#metrics = metrics;
    this.#reporter = reporter;
    this.#local = local;
    this.#make = make;
    this.#generation = metrics.generation;
  }

  /** `outcome` is anything that the caller can read again in `make`. */
  find(
    peer: PeerKey,
    service: ServiceKey,
    localPrincipal: string,
    peerPrincipal: string,
    outcome: Outcome,
  ): S {
    if (this.#generation !== this.#metrics.generation) this.#clear();
    let entry = this.#edges.get(peer)?.get(service);
    while (
      entry !== undefined &&
      (entry.peerPrincipal !== peerPrincipal || entry.localPrincipal !== localPrincipal)
    ) {
      entry = entry.next;
    }
    return (
      entry?.series.get(outcome) ?? this.#link(entry, peer, service, localPrincipal, peerPrincipal, outcome)
    );
  }

  #link(
    existing: EdgeEntry<S> | undefined,
    peer: PeerKey,
    service: ServiceKey,
    localPrincipal: string,
    peerPrincipal: string,
    outcome: Outcome,
  ): S {
    if (this.#links >= 2 * this.#metrics.maxSeries) {
      this.#clear();
      existing = undefined;
    }
    let entry = existing ?? this.#edge(peer, service, localPrincipal, peerPrincipal);
    let series = this.#make(entry.labels, outcome);
    if (this.#generation !== this.#metrics.generation) {
      // Making one has evicted others, which may be the ones just found.
      this.#clear();
      entry = this.#edge(peer, service, localPrincipal, peerPrincipal);
      series = this.#make(entry.labels, outcome);
    }
    entry.series.set(outcome, series);
    this.#links++;
    return series;
  }

  #edge(peer: PeerKey, service: ServiceKey, localPrincipal: string, peerPrincipal: string): EdgeEntry<S> {
    let services = this.#edges.get(peer);
    if (services === undefined) this.#edges.set(peer, (services = new Map()));
    const entry: EdgeEntry<S> = {
      localPrincipal,
      peerPrincipal,
      labels: edgeLabels({
        reporter: this.#reporter,
        local: this.#local,
        peer: typeof peer === 'string' ? workloadMetadataOfEndpoint(peer) : peer,
        service: typeof service === 'string' ? serviceOfKey(service) : service,
        localPrincipal,
        peerPrincipal,
      }),
      series: new Map(),
      next: services.get(service),
    };
    services.set(service, entry);
    return entry;
  }

  #clear(): void {
    this.#edges.clear();
    this.#links = 0;
    this.#generation = this.#metrics.generation;
  }
}
