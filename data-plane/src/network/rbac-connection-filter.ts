import {
  compileRbac,
  decide,
  rbacDetails,
  type CompiledRbac,
  type DynamicMetadata,
  type NetworkRbacConfig,
  type RbacDecision,
  type RbacFacts,
} from '@heddle/engine';
import type { ConnectionRefusal } from '../http/refused-connection.js';
import type { ConnectionInfo } from '../http/stream-state.js';
import type { Counter, StatsStore } from '../stats/stats-store.js';
import type { ConnectionFilter } from './connection-filter.js';

const NAMESPACE = 'envoy.filters.network.rbac';

/**
 * Lets a connection pass or refuses it, as the policies say.
 *
 * Source: envoy.extensions.filters.network.rbac.v3.RBAC. `stat_prefix` is put before `rbac` as it is: Istio's ends with a dot.
 */
export class RbacConnectionFilter implements ConnectionFilter {
  readonly #config: NetworkRbacConfig;
  readonly #rules: CompiledRbac | undefined;
  readonly #shadowRules: CompiledRbac | undefined;
  readonly #allowed: Counter;
  readonly #denied: Counter;
  readonly #shadowAllowed: Counter;
  readonly #shadowDenied: Counter;

  constructor(config: NetworkRbacConfig, stats: StatsStore) {
    this.#config = config;
    this.#rules = config.rules && compileRbac(config.rules);
    this.#shadowRules = config.shadowRules && compileRbac(config.shadowRules);
    const prefix = `${config.statPrefix}rbac`;
    const shadow = config.shadowRulesStatPrefix === '' ? prefix : `${prefix}.${config.shadowRulesStatPrefix}`;
    this.#allowed = stats.counter(`${prefix}.allowed`);
    this.#denied = stats.counter(`${prefix}.denied`);
    this.#shadowAllowed = stats.counter(`${shadow}.shadow_allowed`);
    this.#shadowDenied = stats.counter(`${shadow}.shadow_denied`);
  }

  check(info: ConnectionInfo): ConnectionRefusal | undefined {
    const facts = factsOf(info);
    if (this.#shadowRules !== undefined) {
      const decision = decide(this.#shadowRules, facts);
      (decision.allowed ? this.#shadowAllowed : this.#shadowDenied).inc();
      this.#leaveMetadata(info, decision);
    }
    if (this.#rules === undefined) return undefined;
    const decision = decide(this.#rules, facts);
    (decision.allowed ? this.#allowed : this.#denied).inc();
    if (this.#rules.action === 'log') merge(info, 'envoy.common', { access_log_hint: decision.matched });
    if (decision.allowed) return undefined;
    const { delayDenyMs } = this.#config;
    return { details: rbacDetails(decision), reason: decision.reason, delayMs: delayDenyMs };
  }

  #leaveMetadata(info: ConnectionInfo, { allowed, policyName }: RbacDecision): void {
    const prefix = `${this.#config.shadowRulesStatPrefix}shadow_`;
    merge(info, NAMESPACE, {
      ...(policyName === '' ? {} : { [`${prefix}effective_policy_id`]: policyName }),
      [`${prefix}engine_result`]: allowed ? 'allowed' : 'denied',
    });
  }
}

function factsOf(info: ConnectionInfo): RbacFacts {
  return {
    request: undefined,
    path: '',
    tls: info.tls,
    filterState: info.filterState,
    serverName: info.requestedServerName,
    remoteIp: info.remoteIp,
    directRemoteIp: info.direct?.ip ?? info.remoteIp,
    destinationIp: info.localIp,
    destinationPort: info.localPort,
    get dynamicMetadata() {
      return info.dynamicMetadata;
    },
  };
}

function merge(info: ConnectionInfo, namespace: string, metadata: DynamicMetadata): void {
  const all = (info.dynamicMetadata ??= new Map<string, DynamicMetadata>());
  all.set(namespace, { ...all.get(namespace), ...metadata });
}
