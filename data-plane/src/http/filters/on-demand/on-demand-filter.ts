import type { Timer } from '@heddle/common';
import type { OnDemandConfig, RequestHead } from '@heddle/engine';
import type { ResourceSubscription } from '../../../config-source.js';
import { FilterStatus, type DecoderFilter, type FilterHandle } from '../../filter.js';
import type { OnDemandShared } from './index.js';

/** Requests of one connection manager that wait at a time; others are answered as if nothing could be fetched. */
const MOST_WAITING = 1000;

/**
 * Holds a request that has no virtual host, or no cluster, while that is asked for.
 *
 * Source: Envoy's filter. For a virtual host it waits as long as the stream may be idle, for a cluster as long as its configuration
 * says. What does not come is answered as without the filter: 404 `NR`, 503 `NC`.
 */
export class OnDemandFilter implements DecoderFilter {
  readonly #shared: OnDemandShared;
  readonly #handle: FilterHandle;
  #asked: ResourceSubscription | undefined = undefined;
  #timer: Timer | undefined = undefined;

  constructor(shared: OnDemandShared, handle: FilterHandle) {
    this.#shared = shared;
    this.#handle = handle;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const waits = this.#handle.info.route === undefined ? this.#fetchHost(head) : this.#fetchCluster();
    return waits ? FilterStatus.StopAllIterationAndWatermark : FilterStatus.Continue;
  }

  onDestroy(): void {
    this.#settle();
  }

  #fetchHost(head: RequestHead): boolean {
    return this.#ask((onAnswer) =>
      this.#shared.fetcher?.host(head, () => {
        onAnswer();
        if (!this.#handle.findRouteAgain()) return;
        if (!this.#fetchCluster()) this.#handle.continueDecoding();
      }),
    );
  }

  /** Whether there is one to wait for. */
  #fetchCluster(): boolean {
    const { route, clusterName } = this.#handle.info;
    const { clock, fetcher, config } = this.#shared;
    if (fetcher === undefined || route?.route.action.kind !== 'forward' || clusterName === '') return false;
    if (fetcher.hasCluster(clusterName)) return false;
    const override = this.#handle.routeConfig() as OnDemandConfig | undefined;
    const { clusterTimeoutMs } = override ?? config;
    if (clusterTimeoutMs === undefined) return false;
    const goOn = (): void => {
      this.#settle();
      this.#handle.continueDecoding();
    };
    const waits = this.#ask(() => fetcher.cluster(clusterName, goOn));
    if (waits) this.#timer = clock.setTimer(clusterTimeoutMs, goOn);
    return waits;
  }

  #ask(ask: (onAnswer: () => void) => ResourceSubscription | undefined): boolean {
    const { waiting, overflow } = this.#shared;
    if (waiting.value >= MOST_WAITING) {
      overflow.inc();
      return false;
    }
    this.#asked = ask(() => this.#settle());
    if (this.#asked === undefined) return false;
    waiting.inc();
    return true;
  }

  #settle(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#asked === undefined) return;
    this.#asked.close();
    this.#asked = undefined;
    this.#shared.waiting.dec();
  }
}
