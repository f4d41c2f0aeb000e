import {
  decide,
  type DynamicMetadata,
  type FilterState,
  type RbacFacts,
  type RbacFilterConfig,
  type RequestHead,
  type TlsInfo,
} from '@heddle/engine';
import { FilterStatus, type DecoderFilter, type FilterHandle } from '../../filter.js';
import type { StreamState } from '../../stream-state.js';
import type { RbacShared } from './index.js';
import type { RbacOutcome, RbacRules } from './rbac-rules.js';

const NAMESPACE = 'envoy.filters.http.rbac';
const LOG_NAMESPACE = 'envoy.common';

/**
 * Lets a request pass or answers it 403, as the policies say.
 *
 * Source: envoy.extensions.filters.http.rbac.v3.RBAC. No response flag; the details name the policy.
 * Cost: is itself what policies look at, so that nothing is copied for them.
 */
export class RbacFilter implements DecoderFilter, RbacFacts {
  readonly #shared: RbacShared;
  readonly #handle: FilterHandle;
  readonly #info: StreamState;
  request: RequestHead | undefined = undefined;
  path = '';

  constructor(shared: RbacShared, handle: FilterHandle) {
    this.#shared = shared;
    this.#handle = handle;
    this.#info = handle.info;
  }

  get tls(): TlsInfo | undefined {
    return this.#info.connectionInfo.tls;
  }

  get filterState(): FilterState | undefined {
    return this.#info.filterState;
  }

  get serverName(): string {
    return this.#info.connectionInfo.requestedServerName;
  }

  get remoteIp(): string {
    const { trustedClientIp } = this.#info;
    return trustedClientIp === '' ? this.#info.connectionInfo.remoteIp : trustedClientIp;
  }

  get directRemoteIp(): string {
    const { direct, remoteIp } = this.#info.connectionInfo;
    return direct?.ip ?? remoteIp;
  }

  get destinationIp(): string {
    return this.#info.connectionInfo.localIp;
  }

  get destinationPort(): number {
    return this.#info.connectionInfo.localPort;
  }

  get dynamicMetadata(): ReadonlyMap<string, DynamicMetadata> | undefined {
    return this.#info.dynamicMetadata;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const shared = this.#shared;
    const override = this.#handle.routeConfig();
    const { rules, shadowRules } =
      override === undefined ? shared.prepared : shared.prepare(override as RbacFilterConfig);
    if (rules === undefined && shadowRules === undefined) return FilterStatus.Continue;
    this.request = head;
    this.path = this.#info.routedPath;
    const shadow = shadowRules === undefined ? undefined : this.#outcome(shadowRules);
    const enforced = rules === undefined ? undefined : this.#outcome(rules);
    this.#leaveMetadata(shadow, enforced);
    if (enforced?.reply === undefined) return FilterStatus.Continue;
    this.#handle.sendLocalReply(enforced.reply);
    return FilterStatus.StopIteration;
  }

  onDestroy(): void {
    // Nothing is pending: policies decide at once.
  }

  #outcome({ compiled, outcomes }: RbacRules): RbacOutcome {
    const outcome = outcomes[decide(compiled, this).index + 1] as RbacOutcome;
    outcome.counter.inc();
    outcome.policyCounter?.inc();
    return outcome;
  }

  #leaveMetadata(shadow: RbacOutcome | undefined, enforced: RbacOutcome | undefined): void {
    const own = shadow?.metadata ?? enforced?.metadata;
    if (own === undefined) return;
    const all = (this.#info.dynamicMetadata ??= new Map<string, DynamicMetadata>());
    // Other filters of this kind, and both engines of this one, share a namespace.
    const before = all.get(NAMESPACE);
    const isAlone = before === undefined && (shadow === undefined || enforced === undefined);
    all.set(NAMESPACE, isAlone ? own : { ...before, ...shadow?.metadata, ...enforced?.metadata });
    if (enforced?.logHint !== undefined) {
      all.set(LOG_NAMESPACE, { ...all.get(LOG_NAMESPACE), ...enforced.logHint });
    }
  }
}
