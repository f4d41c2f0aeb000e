import { FILTER_DISABLED } from '../http-filter.js';
import type { CorsPolicyConfig } from './config.js';

/** By the most specific policy: what it was last joined with, and what came of that. */
const joined = new WeakMap<
  CorsPolicyConfig,
  { readonly of: readonly CorsPolicyConfig[]; readonly policy: CorsPolicyConfig }
>();

/**
 * The policy of a request, of what its levels say, the most specific first; undefined: none says anything.
 *
 * Whether a policy is applied at all, the most specific one decides alone; all else is of the first that says it.
 * Source: Envoy's CORS filter.
 */
export function effectiveCorsPolicy(levels: readonly unknown[]): CorsPolicyConfig | undefined {
  const policies = levels.filter((level) => level !== FILTER_DISABLED) as CorsPolicyConfig[];
  const [first] = policies;
  if (first === undefined || policies.length === 1) return first;
  const known = joined.get(first);
  // The table of a virtual host that was fetched may change under it.
  if (known?.of.length === policies.length && known.of.every((one, i) => one === policies[i])) {
    return known.policy;
  }
  const policy = policies.reduce(join);
  joined.set(first, { of: policies, policy });
  return policy;
}

function join(specific: CorsPolicyConfig, general: CorsPolicyConfig): CorsPolicyConfig {
  return {
    ...specific,
    allowOrigins: specific.allowOrigins.length > 0 ? specific.allowOrigins : general.allowOrigins,
    allowMethods: specific.allowMethods || general.allowMethods,
    allowHeaders: specific.allowHeaders || general.allowHeaders,
    exposeHeaders: specific.exposeHeaders || general.exposeHeaders,
    maxAge: specific.maxAge || general.maxAge,
    allowCredentials: specific.allowCredentials ?? general.allowCredentials,
    allowPrivateNetworkAccess: specific.allowPrivateNetworkAccess ?? general.allowPrivateNetworkAccess,
    forwardNotMatchingPreflights:
      specific.forwardNotMatchingPreflights ?? general.forwardNotMatchingPreflights,
  };
}
