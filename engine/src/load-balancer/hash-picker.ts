import type { Random } from '@heddle/common';
import type { LbPolicyConfig } from '../config/cluster-config.js';
import { hashModulo, xxHash64, type Hash64 } from '../hash/xx-hash64.js';
import type { HostPicker } from './host-picker.js';
import type { LbHost } from './lb-host.js';

type RingHashConfig = Extract<LbPolicyConfig, { kind: 'ring-hash' }>;
type MaglevConfig = Extract<LbPolicyConfig, { kind: 'maglev' }>;

/** A host with its share of all requests. The shares of a list sum to 1. */
export interface SharedHost<H extends LbHost> {
  readonly host: H;
  readonly share: number;
}

function randomHash(random: Random): Hash64 {
  return { hi: Math.floor(random() * 2 ** 32), lo: Math.floor(random() * 2 ** 32) };
}

/**
 * Hosts as points on a ring, as many as their shares; a request goes to the next point after its hash.
 *
 * Source: Envoy's ring hash: the same hosts and keys give the same ring, so that Envoy and this proxy choose alike.
 * Bounds: `maximumRingSize` points.
 */
export class RingHashPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];
  readonly #hi: Uint32Array;
  readonly #lo: Uint32Array;
  /** Which host a point belongs to. */
  readonly #owners: Uint32Array;

  constructor(shared: readonly SharedHost<H>[], config: RingHashConfig) {
    this.#hosts = shared.map(({ host }) => host);
    const least = shared.reduce((min, { share }) => Math.min(min, share), 1);
    const scale = Math.min(Math.ceil(least * config.minimumRingSize) / least, config.maximumRingSize);
    const points: { readonly hash: Hash64; readonly owner: number }[] = [];
    let target = 0;
    shared.forEach(({ host, share }, owner) => {
      target += scale * share;
      for (let i = 0; points.length < target; i++) {
        points.push({ hash: xxHash64(`${host.hashKey(config.byHostname)}_${i}`), owner });
      }
    });
    points.sort((a, b) => a.hash.hi - b.hash.hi || a.hash.lo - b.hash.lo);
    this.#hi = Uint32Array.from(points, ({ hash }) => hash.hi);
    this.#lo = Uint32Array.from(points, ({ hash }) => hash.lo);
    this.#owners = Uint32Array.from(points, ({ owner }) => owner);
  }

  pick(random: Random, hash?: Hash64, attempt = 0): H | undefined {
    const size = this.#owners.length;
    if (size === 0) return undefined;
    const { hi, lo } = hash ?? randomHash(random);
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const pointHi = this.#hi[middle] as number;
      if (pointHi < hi || (pointHi === hi && (this.#lo[middle] as number) < lo)) low = middle + 1;
      else high = middle;
    }
    // A retry that must go elsewhere takes the point after.
    return this.#hosts[this.#owners[((low === size ? 0 : low) + attempt) % size] as number];
  }
}

/**
 * A table in which every host has places by its share, filled so that few of them change when hosts come and go.
 *
 * Source: Google's Maglev, as Envoy builds it.
 * Bounds: `tableSize` places, a prime.
 */
export class MaglevPicker<H extends LbHost> implements HostPicker<H> {
  readonly #hosts: readonly H[];
  readonly #table: Int32Array;

  constructor(shared: readonly SharedHost<H>[], config: MaglevConfig) {
    this.#hosts = shared.map(({ host }) => host);
    this.#table = maglevTable(shared, config);
  }

  pick(random: Random, hash?: Hash64, attempt = 0): H | undefined {
    if (this.#hosts.length === 0) return undefined;
    let { hi, lo } = hash ?? randomHash(random);
    if (attempt > 0) {
      // Another place for a retry that must go elsewhere: Envoy's.
      hi = ~hi >>> 0;
      lo = (lo ^ (0xffff_ffff - attempt + 1)) >>> 0;
    }
    return this.#hosts[this.#table[hashModulo({ hi, lo }, this.#table.length)] as number];
  }
}

function maglevTable(
  shared: readonly SharedHost<LbHost>[],
  { tableSize: size, byHostname }: MaglevConfig,
): Int32Array {
  const table = new Int32Array(size).fill(-1);
  if (shared.length === 0) return table;
  const most = shared.reduce((max, { share }) => Math.max(max, share), 0);
  const builds = shared.map(({ host, share }) => ({
    offset: hashModulo(xxHash64(host.hashKey(byHostname)), size),
    skip: hashModulo(xxHash64(host.hashKey(byHostname), 1), size - 1) + 1,
    share,
    target: 0,
    next: 0,
  }));
  let filled = 0;
  for (let iteration = 1; filled < size; iteration++) {
    for (let owner = 0; owner < builds.length && filled < size; owner++) {
      const build = builds[owner] as (typeof builds)[number];
      // Those with smaller shares sit rounds out.
      if (iteration * build.share < build.target) continue;
      build.target += most;
      let place = (build.offset + build.skip * build.next) % size;
      while (table[place] !== -1) {
        build.next++;
        place = (build.offset + build.skip * build.next) % size;
      }
      table[place] = owner;
      build.next++;
      filled++;
    }
  }
  return table;
}
