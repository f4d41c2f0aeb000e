import { envoy, type google } from '@heddle/xds-protos';
import type { LbPolicyConfig, SlowStartConfig } from '../config/cluster-config.js';
import { typeNameOfUrl, unpackAs } from './any-config.js';
import type { Findings } from './findings.js';
import { durationMs, wrappedNumber } from './proto-values.js';

const { RoundRobin } = envoy.extensions.load_balancing_policies.round_robin.v3;
const { Random } = envoy.extensions.load_balancing_policies.random.v3;
const { LeastRequest } = envoy.extensions.load_balancing_policies.least_request.v3;
const { RingHash } = envoy.extensions.load_balancing_policies.ring_hash.v3;
const { Maglev } = envoy.extensions.load_balancing_policies.maglev.v3;
const { WrrLocality } = envoy.extensions.load_balancing_policies.wrr_locality.v3;

/** How a cluster picks hosts, and whether its localities share by weight. */
export interface LoadBalancing {
  readonly policy: LbPolicyConfig;
  readonly localityWeighted: boolean;
}

const ROUND_ROBIN: LoadBalancing = {
  policy: { kind: 'round-robin', slowStart: undefined },
  localityWeighted: false,
};

const RING_SIZE = 1024;
/** Beyond so many points a ring costs more than it evens out; Envoy allows eight times as many. */
const MOST_RING_SIZE = 1_048_576;
const TABLE_SIZE = 65_537;
const MOST_TABLE_SIZE = 5_000_011;

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
      return {
        kind: 'round-robin',
        slowStart: translateSlowStart(cluster.roundRobinLbConfig, 'round_robin_lb_config', findings),
      };
    case LEGACY.RANDOM:
      return { kind: 'random' };
    case LEGACY.LEAST_REQUEST: {
      return leastRequest(cluster.leastRequestLbConfig, 'least_request_lb_config', findings);
    }
    case LEGACY.RING_HASH: {
      const config = cluster.ringHashLbConfig;
      const at = 'ring_hash_lb_config';
      warnMurmur(config?.hashFunction === 1, at, findings);
      return ringHash(config, consistentHashing(cluster), at, findings);
    }
    case LEGACY.MAGLEV:
      return maglev(cluster.maglevLbConfig, consistentHashing(cluster), 'maglev_lb_config', findings);
    case LEGACY.CLUSTER_PROVIDED:
      return { kind: 'cluster-provided' };
    case LEGACY.LOAD_BALANCING_POLICY_CONFIG:
      findings.problem('load_balancing_policy', 'must be set when lb_policy is LOAD_BALANCING_POLICY_CONFIG');
      break;
    default: {
      const name = LEGACY[cluster.lbPolicy] ?? String(cluster.lbPolicy);
      findings.problem(
        path,
        `${name} is not supported; use ROUND_ROBIN, RANDOM, LEAST_REQUEST, RING_HASH or MAGLEV`,
      );
    }
  }
  return ROUND_ROBIN.policy;
}

interface Hashing {
  readonly byHostname: boolean;
  readonly balanceFactor: google.protobuf.UInt32Value | null;
}

function consistentHashing(cluster: envoy.config.cluster.v3.Cluster): Hashing {
  const config = cluster.commonLbConfig?.consistentHashingLbConfig ?? null;
  return {
    byHostname: config?.useHostnameForHashing ?? false,
    balanceFactor: config?.hashBalanceFactor ?? null,
  };
}

function warnMurmur(isSet: boolean, path: string, findings: Findings): void {
  if (isSet) findings.warn(`${path}.hash_function`, 'MURMUR_HASH_2 is not supported: xxHash is used');
}

function ringHash(
  config: {
    readonly minimumRingSize: google.protobuf.UInt64Value | null;
    readonly maximumRingSize: google.protobuf.UInt64Value | null;
  } | null,
  hashing: Hashing,
  path: string,
  findings: Findings,
): LbPolicyConfig {
  findings.unsupported(`${path}.hash_balance_factor`, hashing.balanceFactor !== null, 'warning');
  const most = 8_388_608;
  const least = wrappedNumber(
    config?.minimumRingSize ?? null,
    RING_SIZE,
    `${path}.minimum_ring_size`,
    findings,
    0,
    most,
  );
  const maximum = wrappedNumber(
    config?.maximumRingSize ?? null,
    most,
    `${path}.maximum_ring_size`,
    findings,
    0,
    most,
  );
  if (least > maximum) {
    findings.problem(`${path}.minimum_ring_size`, `must be at most maximum_ring_size (${maximum})`);
  }
  if (least > MOST_RING_SIZE) {
    findings.warn(`${path}.minimum_ring_size`, `a ring has ${MOST_RING_SIZE} points at most here`);
  }
  return {
    kind: 'ring-hash',
    minimumRingSize: Math.min(least, MOST_RING_SIZE),
    maximumRingSize: Math.min(maximum, MOST_RING_SIZE),
    byHostname: hashing.byHostname,
  };
}

function maglev(
  config: { readonly tableSize: google.protobuf.UInt64Value | null } | null,
  hashing: Hashing,
  path: string,
  findings: Findings,
): LbPolicyConfig {
  findings.unsupported(`${path}.hash_balance_factor`, hashing.balanceFactor !== null, 'warning');
  const at = `${path}.table_size`;
  const tableSize = wrappedNumber(config?.tableSize ?? null, TABLE_SIZE, at, findings, 2, MOST_TABLE_SIZE);
  if (!isPrime(tableSize)) findings.problem(at, `must be a prime (is ${tableSize})`);
  return { kind: 'maglev', tableSize, byHostname: hashing.byHostname };
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}

/** Two messages of the same fields. */
type SlowStartOf = {
  readonly slowStartWindow: google.protobuf.Duration | null;
  readonly aggression: envoy.config.core.v3.RuntimeDouble | null;
  readonly minWeightPercent: envoy.type.v3.Percent | null;
} | null;

function translateSlowStart(
  config: { readonly slowStartConfig: SlowStartOf } | null,
  path: string,
  findings: Findings,
): SlowStartConfig | undefined {
  const slowStart = config?.slowStartConfig ?? null;
  if (slowStart === null) return undefined;
  const at = `${path}.slow_start_config`;
  const windowMs = durationMs(slowStart.slowStartWindow, 0, `${at}.slow_start_window`, findings);
  const aggression = slowStart.aggression?.defaultValue ?? 1;
  if (!(aggression > 0)) findings.problem(`${at}.aggression`, `must be more than zero (is ${aggression})`);
  const percent = slowStart.minWeightPercent?.value ?? 10;
  if (!(percent >= 0 && percent <= 100)) {
    findings.problem(`${at}.min_weight_percent`, `must be in 0..100 (is ${percent})`);
  }
  return windowMs === 0 ? undefined : { windowMs, aggression, minWeightRatio: percent / 100 };
}

function leastRequest(
  config: {
    readonly choiceCount: google.protobuf.UInt32Value | null;
    readonly activeRequestBias: envoy.config.core.v3.RuntimeDouble | null;
    readonly slowStartConfig: SlowStartOf;
  } | null,
  path: string,
  findings: Findings,
): LbPolicyConfig {
  const activeRequestBias = config?.activeRequestBias?.defaultValue ?? 1;
  if (activeRequestBias < 0) findings.problem(`${path}.active_request_bias`, 'must not be negative');
  const choiceCount = wrappedNumber(config?.choiceCount ?? null, 2, `${path}.choice_count`, findings, 2);
  const slowStart = translateSlowStart(config, path, findings);
  return { kind: 'least-request', choiceCount, activeRequestBias, slowStart };
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
      : `none of ${unknown.join(', ')} is supported; use round_robin, random, least_request, ring_hash, maglev or wrr_locality`,
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
      const slowStart = translateSlowStart(config ?? null, path, findings);
      return { policy: { kind: 'round-robin', slowStart }, localityWeighted: isLocalityWeighted(config) };
    }
    case Random.typeName: {
      const config = unpackAs(any, Random, path, findings);
      return { policy: { kind: 'random' }, localityWeighted: isLocalityWeighted(config) };
    }
    case LeastRequest.typeName: {
      const config = unpackAs(any, LeastRequest, path, findings) ?? null;
      const fullScan = config?.enableFullScan?.value === true || config?.selectionMethod === 1;
      findings.unsupported(`${path}.selection_method`, fullScan, 'warning');
      const policy = leastRequest(config, path, findings);
      return { policy, localityWeighted: isLocalityWeighted(config) };
    }
    case RingHash.typeName: {
      const config = unpackAs(any, RingHash, path, findings) ?? null;
      const own = config?.consistentHashingLbConfig ?? null;
      const hashing = {
        byHostname: own?.useHostnameForHashing ?? config?.useHostnameForHashing ?? false,
        balanceFactor: own?.hashBalanceFactor ?? config?.hashBalanceFactor ?? null,
      };
      const isMurmur = config?.hashFunction === RingHash.HashFunction.MURMUR_HASH_2;
      warnMurmur(isMurmur, path, findings);
      return {
        policy: ringHash(config, hashing, path, findings),
        localityWeighted: config !== null && config.localityWeightedLbConfig !== null,
      };
    }
    case Maglev.typeName: {
      const config = unpackAs(any, Maglev, path, findings) ?? null;
      const own = config?.consistentHashingLbConfig ?? null;
      const hashing = {
        byHostname: own?.useHostnameForHashing ?? false,
        balanceFactor: own?.hashBalanceFactor ?? null,
      };
      return {
        policy: maglev(config, hashing, path, findings),
        localityWeighted: config !== null && config.localityWeightedLbConfig !== null,
      };
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
