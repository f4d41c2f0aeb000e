import { envoy, type google } from '@heddle/xds-protos';
import type { LbPolicyConfig } from '../config/cluster-config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { wrappedNumber } from './proto-values.js';

const { RoundRobin } = envoy.extensions.load_balancing_policies.round_robin.v3;
const { Random } = envoy.extensions.load_balancing_policies.random.v3;
const { LeastRequest } = envoy.extensions.load_balancing_policies.least_request.v3;
const { WrrLocality } = envoy.extensions.load_balancing_policies.wrr_locality.v3;

/** How a cluster picks hosts, and whether its localities share by weight. */
export interface LoadBalancing {
  readonly policy: LbPolicyConfig;
  readonly localityWeighted: boolean;
}

const ROUND_ROBIN: LoadBalancing = { policy: { kind: 'round-robin' }, localityWeighted: false };

/** Source: envoy.config.cluster.v3.Cluster.load_balancing_policy, lb_policy and lb_config. */
export function translateLoadBalancing(
  cluster: envoy.config.cluster.v3.Cluster,
  path: string,
  findings: Findings,
): LoadBalancing {
  const localityWeighted = cluster.commonLbConfig?.localityConfigSpecifier === 'localityWeightedLbConfig';
  if (cluster.loadBalancingPolicy !== null) {
    const chosen = translatePolicyList(cluster.loadBalancingPolicy, 'load_balancing_policy', findings);
    return { ...chosen, localityWeighted: chosen.localityWeighted || localityWeighted };
  }
  return { policy: legacyPolicy(cluster, path, findings), localityWeighted };
}

const LEGACY = envoy.config.cluster.v3.Cluster.LbPolicy;

function legacyPolicy(
  cluster: envoy.config.cluster.v3.Cluster,
  path: string,
  findings: Findings,
): LbPolicyConfig {
  switch (cluster.lbPolicy) {
    case LEGACY.ROUND_ROBIN:
      warnSlowStart(cluster.roundRobinLbConfig, 'round_robin_lb_config', findings);
      return { kind: 'round-robin' };
    case LEGACY.RANDOM:
      return { kind: 'random' };
    case LEGACY.LEAST_REQUEST: {
      const config = cluster.leastRequestLbConfig;
      warnSlowStart(config, 'least_request_lb_config', findings);
      return leastRequest(config, 'least_request_lb_config', findings);
    }
    case LEGACY.CLUSTER_PROVIDED:
      return { kind: 'cluster-provided' };
    case LEGACY.LOAD_BALANCING_POLICY_CONFIG:
      findings.problem('load_balancing_policy', 'must be set when lb_policy is LOAD_BALANCING_POLICY_CONFIG');
      break;
    default: {
      const name = LEGACY[cluster.lbPolicy] ?? String(cluster.lbPolicy);
      findings.problem(path, `${name} is not supported; use ROUND_ROBIN, RANDOM or LEAST_REQUEST`);
    }
  }
  return { kind: 'round-robin' };
}

function warnSlowStart(
  config: { readonly slowStartConfig: object | null } | null,
  path: string,
  findings: Findings,
): void {
  findings.unsupported(
    `${path}.slow_start_config`,
    config !== null && config.slowStartConfig !== null,
    'warning',
  );
}

function leastRequest(
  config: {
    readonly choiceCount: google.protobuf.UInt32Value | null;
    readonly activeRequestBias: envoy.config.core.v3.RuntimeDouble | null;
  } | null,
  path: string,
  findings: Findings,
): LbPolicyConfig {
  const activeRequestBias = config?.activeRequestBias?.defaultValue ?? 1;
  if (activeRequestBias < 0) findings.problem(`${path}.active_request_bias`, 'must not be negative');
  const choiceCount = wrappedNumber(config?.choiceCount ?? null, 2, `${path}.choice_count`, findings, 2);
  return { kind: 'least-request', choiceCount, activeRequestBias };
}

/** The first policy of the list that is known counts, as in Envoy. */
function translatePolicyList(
  list: envoy.config.cluster.v3.LoadBalancingPolicy,
  path: string,
  findings: Findings,
  depth = 0,
): LoadBalancing {
  const unknown: string[] = [];
  for (const [i, policy] of list.policies.entries()) {
    const any = policy.typedExtensionConfig?.typedConfig;
    if (any === null || any === undefined) continue;
    const at = `${path}.policies[${i}].typed_extension_config.typed_config`;
    const known = translatePolicy(any, at, findings, depth);
    if (known !== undefined) return known;
    unknown.push(typeNameOfUrl(any.typeUrl));
  }
  findings.problem(
    `${path}.policies`,
    unknown.length === 0
      ? 'must name a policy'
      : `none of ${unknown.join(', ')} is supported; use round_robin, random, least_request or wrr_locality`,
  );
  return ROUND_ROBIN;
}

function translatePolicy(
  any: google.protobuf.Any,
  path: string,
  findings: Findings,
  depth: number,
): LoadBalancing | undefined {
  switch (typeNameOfUrl(any.typeUrl)) {
    case RoundRobin.typeName: {
      const config = unpackAs(any, RoundRobin, path, findings);
      warnSlowStart(config ?? null, path, findings);
      return { policy: { kind: 'round-robin' }, localityWeighted: isLocalityWeighted(config) };
    }
    case Random.typeName: {
      const config = unpackAs(any, Random, path, findings);
      return { policy: { kind: 'random' }, localityWeighted: isLocalityWeighted(config) };
    }
    case LeastRequest.typeName: {
      const config = unpackAs(any, LeastRequest, path, findings) ?? null;
      warnSlowStart(config, path, findings);
      const fullScan = config?.enableFullScan?.value === true || config?.selectionMethod === 1;
      findings.unsupported(`${path}.selection_method`, fullScan, 'warning');
      const policy = leastRequest(config, path, findings);
      return { policy, localityWeighted: isLocalityWeighted(config) };
    }
    case WrrLocality.typeName: {
      const config = unpackAs(any, WrrLocality, path, findings);
      const inner = config?.endpointPickingPolicy ?? null;
      const at = `${path}.endpoint_picking_policy`;
      if (inner === null) findings.problem(at, 'must be set');
      else if (depth > 0) findings.problem(at, 'wrr_locality must not be inside wrr_locality');
      else return { ...translatePolicyList(inner, at, findings, depth + 1), localityWeighted: true };
      return ROUND_ROBIN;
    }
    default:
      return undefined;
  }
}

function isLocalityWeighted(
  config:
    | {
        readonly localityLbConfig: {
          readonly localityConfigSpecifier: string | undefined;
        } | null;
      }
    | null
    | undefined,
): boolean {
  return config?.localityLbConfig?.localityConfigSpecifier === 'localityWeightedLbConfig';
}
