import type { Endpoint, Locality, LocalityPolicy, TrafficPolicy } from '../model/mesh-model.js';

/** What of a caller its preferences depend on. */
export interface LocalityCaller {
  readonly locality?: Locality;
  readonly labels: Readonly<Record<string, string>>;
}

/** How a caller prefers some endpoints of a cluster to others. */
export interface LocalityPreference {
  /** 0: first. Levels may be missing between others. */
  levelOf(endpoint: Pick<Endpoint, 'locality' | 'labels'>): number;
  /** The weight of each locality in the same order, 0: it gets nothing; undefined: what their endpoints weigh. */
  readonly weightsOf?: (localities: readonly WeighedLocality[]) => readonly number[];
}

export interface WeighedLocality {
  readonly locality: Locality;
  readonly weight: number;
}

const NOWHERE: Locality = Object.freeze({ region: '', zone: '', subZone: '' });

/**
 * The preference of a caller under a rule; undefined: none.
 *
 * Source: Istio's localityLbSetting. `distribute` shares out by weight; else the nearest come first, also where nothing is said of
 * it, but only under outlier detection: without it nobody would find out that the nearest do not serve.
 */
export function localityPreferenceOf(
  traffic: TrafficPolicy,
  caller: LocalityCaller,
): LocalityPreference | undefined {
  const setting = traffic.locality ?? {};
  if (setting.enabled === false) return undefined;
  const here = caller.locality ?? NOWHERE;
  if (setting.distribute !== undefined) return distribution(setting.distribute, here);
  if (traffic.outlierDetection === undefined) return undefined;
  const { failoverPriority = [], failover = [] } = setting;
  if (failoverPriority.length === 0) {
    if (here.region === '') return undefined;
    return { levelOf: ({ locality }) => distance(here, locality, failover) };
  }
  const wanted = failoverPriority.map((entry) => wantedLabel(entry, caller.labels, here));
  return {
    levelOf: ({ labels, locality }) => {
      const miss = wanted.findIndex(([name, value]) => labelOf(name, labels, locality) !== value);
      const level = miss === -1 ? 0 : wanted.length - miss;
      // Five distances are told apart.
      return failover.length === 0 ? level : level * 5 + distance(here, locality, failover);
    },
  };
}

/** By which labels of its own a caller's preferences differ from others'. */
export function localityLabels(traffic: TrafficPolicy): readonly string[] {
  return (traffic.locality?.failoverPriority ?? []).filter((entry) => !entry.includes('='));
}

function distribution(
  rules: NonNullable<LocalityPolicy['distribute']>,
  here: Locality,
): LocalityPreference | undefined {
  const rule = rules.find(({ from }) => isWithin(here, from));
  if (rule === undefined) return undefined;
  return {
    levelOf: () => 0,
    weightsOf: (localities) => {
      const owners = localities.map(({ locality }) => rule.to.findIndex(([to]) => isWithin(locality, to)));
      return localities.map(({ weight }, i) => {
        const owner = owners[i] as number;
        const share = rule.to[owner]?.[1];
        if (share === undefined) return 0;
        // Several localities that one entry stands for share what it says by what they weigh.
        const total = localities.reduce((sum, one, j) => (owners[j] === owner ? sum + one.weight : sum), 0);
        return Math.ceil((weight * share) / total);
      });
    },
  };
}

/** `REGION/ZONE/SUBZONE`, where `*`, or nothing, stands for any. */
function isWithin(locality: Locality, pattern: string): boolean {
  const [region = '', zone = '', subZone = ''] = pattern.split('/');
  const matches = (wanted: string, found: string): boolean => wanted === '*' || wanted === found;
  return (
    matches(region, locality.region) &&
    (zone === '' || matches(zone, locality.zone)) &&
    (subZone === '' || matches(subZone, locality.subZone))
  );
}

/** 0: the same subzone, 1: zone, 2: region, 3: another region, 4: one that is not the region to fall back to. */
function distance(
  here: Locality,
  there: Locality,
  failover: NonNullable<LocalityPolicy['failover']>,
): number {
  if (here.region === there.region) {
    if (here.zone !== there.zone) return 2;
    return here.subZone === there.subZone ? 0 : 1;
  }
  const rule = failover.find(({ from }) => from === here.region);
  return rule === undefined || rule.to === there.region ? 3 : 4;
}

/** `NAME`: as the caller has it; `NAME=VALUE`: that value. */
function wantedLabel(
  entry: string,
  labels: Readonly<Record<string, string>>,
  here: Locality,
): readonly [name: string, value: string] {
  const equals = entry.indexOf('=');
  if (equals !== -1) return [entry.slice(0, equals), entry.slice(equals + 1)];
  return [entry, labelOf(entry, labels, here)];
}

/** A label, or the part of the locality that stands for it. */
function labelOf(name: string, labels: Readonly<Record<string, string>>, locality: Locality): string {
  const own = Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (own !== undefined) return own;
  switch (name) {
    case 'topology.kubernetes.io/region':
      return locality.region;
    case 'topology.kubernetes.io/zone':
      return locality.zone;
    case 'topology.istio.io/subzone':
      return locality.subZone;
    default:
      return '';
  }
}
