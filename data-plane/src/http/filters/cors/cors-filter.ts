import {
  allowOrigin,
  decideCors,
  effectiveCorsPolicy,
  type CorsPolicyConfig,
  type RequestHead,
  type ResponseHead,
} from '@heddle/engine';
import { FilterStatus, type FilterHandle, type StreamFilter } from '../../filter.js';
import type { CorsShared } from './index.js';

/** Answers preflights of browsers, and tells them which origins may read an answer, as the policy of the route says. */
export class CorsFilter implements StreamFilter {
  readonly #shared: CorsShared;
  readonly #handle: FilterHandle;
  #policy: CorsPolicyConfig | undefined = undefined;
  #origin: string | undefined = undefined;

  constructor(shared: CorsShared, handle: FilterHandle) {
    this.#shared = shared;
    this.#handle = handle;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    if (this.#handle.info.route?.route.action.kind !== 'forward') return FilterStatus.Continue;
    if (!head.headers.has('origin')) return FilterStatus.Continue;
    const policy = effectiveCorsPolicy(this.#handle.routeConfigs());
    const decision = policy && decideCors(policy, head, this.#shared.random, this.#shared.runtime);
    if (decision === undefined) return FilterStatus.Continue;
    this.#policy = policy;
    this.#origin = decision.origin;
    (decision.origin === undefined ? this.#shared.invalid : this.#shared.valid).inc();
    if (decision.answer === undefined) return FilterStatus.Continue;
    this.#handle.sendLocalReply(decision.answer);
    return FilterStatus.StopIteration;
  }

  encodeHeaders({ headers }: ResponseHead): FilterStatus {
    if (this.#policy !== undefined && this.#origin !== undefined) {
      allowOrigin(this.#policy, this.#origin, headers);
    }
    return FilterStatus.Continue;
  }

  onDestroy(): void {
    // Nothing is pending.
  }
}
