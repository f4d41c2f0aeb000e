import type { Timer } from '@heddle/common';
import {
  decideFault,
  faultAbort,
  faultWithRuntime,
  type FaultConfig,
  type FaultDecision,
  type RequestHead,
} from '@heddle/engine';
import { FilterStatus, type DecoderFilter, type FilterHandle } from '../../filter.js';
import type { FaultShared } from './index.js';

/**
 * Delays or aborts a share of requests before they reach the router.
 *
 * Source: envoy.extensions.filters.http.fault.v3.HTTPFault. Flags: `DI` delayed, `FI` aborted.
 * Errors: none; a stream that ends during the delay cancels it.
 */
export class FaultFilter implements DecoderFilter {
  readonly #shared: FaultShared;
  readonly #handle: FilterHandle;
  #timer: Timer | undefined = undefined;
  #active = false;

  constructor(shared: FaultShared, handle: FilterHandle) {
    this.#shared = shared;
    this.#handle = handle;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const { clock, random } = this.#shared;
    const override = this.#handle.routeConfig();
    const own = override === undefined ? this.#shared.config : (override as FaultConfig);
    const config = faultWithRuntime(own, this.#shared.runtime);
    const decision = decideFault(config, head, this.#handle.info.clusterName, random);
    if (decision.delayMs === 0 && decision.abort === undefined) return FilterStatus.Continue;
    const { maxActiveFaults } = config;
    if (maxActiveFaults !== undefined && this.#shared.active.value >= maxActiveFaults) {
      this.#shared.overflow.inc();
      return FilterStatus.Continue;
    }
    this.#active = true;
    this.#shared.active.inc();
    if (decision.delayMs > 0) {
      this.#shared.delays.inc();
      this.#handle.info.addFlag('DI');
      this.#timer = clock.setTimer(decision.delayMs, () => {
        this.#timer = undefined;
        if (!this.#abort(decision.abort)) {
          this.#release();
          this.#handle.continueDecoding();
        }
      });
      return FilterStatus.StopAllIterationAndWatermark;
    }
    this.#abort(decision.abort);
    return FilterStatus.StopIteration;
  }

  onDestroy(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#release();
  }

  #abort(abort: FaultDecision['abort']): boolean {
    if (abort === undefined) return false;
    this.#shared.aborts.inc();
    this.#handle.sendLocalReply(faultAbort(abort));
    return true;
  }

  #release(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#shared.active.dec();
  }
}
