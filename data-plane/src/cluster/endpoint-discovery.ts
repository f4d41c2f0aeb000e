import type { Clock, Random, Timer } from '@heddle/common';
import { isIP } from 'node:net';
import type { ClusterConfig, DnsConfig, EndpointConfig, EndpointsConfig } from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { ClusterStats } from './cluster-stats.js';
import type { DnsResolver, ResolvedAddress } from './dns-resolver.js';
import type { NamedAddresses, SharedWatch } from './shared-watch.js';

/** Told of endpoints, and once that there is nothing more to wait for. */
export interface EndpointReceiver {
  onEndpoints(endpoints: EndpointsConfig): void;
  /** The first endpoints came, or will not come: the cluster may be used. Called once. */
  onWarm(): void;
}

export interface EndpointDiscovery {
  close(): void;
}

export interface DiscoveryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: DnsResolver;
  readonly configSource: ConfigSource | undefined;
  readonly stats: ClusterStats;
  /** Undefined: there is one thread, which resolves names for itself. */
  readonly watch?: SharedWatch | undefined;
}

const NOTHING: EndpointDiscovery = Object.freeze({ close: () => undefined });

/** Starts whatever finds the endpoints of a cluster. The receiver may be called inside this call. */
export function startDiscovery(
  config: ClusterConfig,
  receiver: EndpointReceiver,
  options: DiscoveryOptions,
): EndpointDiscovery {
  const { discovery } = config;
  switch (discovery.kind) {
    case 'static':
      receiver.onEndpoints(discovery.endpoints);
      receiver.onWarm();
      return NOTHING;
    case 'original-dst':
      receiver.onWarm();
      return NOTHING;
    case 'strict-dns':
    case 'logical-dns':
      return new DnsDiscovery(
        discovery.endpoints,
        discovery.dns,
        discovery.kind === 'logical-dns',
        receiver,
        options,
      );
    case 'eds':
      return new EdsDiscovery(discovery.serviceName, discovery.initialFetchTimeoutMs, receiver, options);
  }
}

/** Endpoints by EDS: the last good ones stay until others come. */
class EdsDiscovery implements EndpointDiscovery {
  readonly #subscription: ResourceSubscription | undefined;

  constructor(
    serviceName: string,
    initialFetchTimeoutMs: number,
    receiver: EndpointReceiver,
    options: DiscoveryOptions,
  ) {
    const { stats } = options;
    let warm = false;
    const warmUp = (): void => {
      if (warm) return;
      warm = true;
      receiver.onWarm();
    };
    stats.updateAttempt.inc();
    this.#subscription = options.configSource?.watchEndpoints(
      serviceName,
      {
        onUpdate: (endpoints) => {
          stats.updateSuccess.inc();
          if (endpoints.localities.every((one) => one.endpoints.length === 0)) stats.updateEmpty.inc();
          receiver.onEndpoints(endpoints);
          warmUp();
        },
        onAbsent: () => {
          stats.updateFailure.inc();
          warmUp();
        },
      },
      initialFetchTimeoutMs,
    );
  }

  close(): void {
    this.#subscription?.close();
  }
}

/** A failing name is asked again after this, doubling up to the refresh rate. */
const FIRST_RETRY_MS = 500;
/** Share of the refresh rate by which it is spread, so that many proxies do not ask in step. */
const JITTER = 0.1;
/** Bound of the addresses taken from one answer. */
const MOST_ADDRESSES = 1024;

interface DnsName {
  readonly endpoint: EndpointConfig;
  readonly locality: number;
  /** Undefined until the first answer; the last good one after a failure. */
  addresses: readonly string[] | undefined;
  failures: number;
  answered: boolean;
  timer: Timer | undefined;
}

/**
 * Endpoints whose names are resolved again and again: every address is a host (strict), or the first one is (logical). Where several
 * threads want them, one resolves for all.
 *
 * Errors: a name that cannot be resolved keeps its last good addresses and is asked again sooner.
 */
class DnsDiscovery implements EndpointDiscovery {
  readonly #endpoints: EndpointsConfig;
  readonly #dns: DnsConfig;
  readonly #firstOnly: boolean;
  readonly #receiver: EndpointReceiver;
  readonly #options: DiscoveryOptions;
  readonly #names: DnsName[] = [];
  #followed: { close(): void } | undefined = undefined;
  #shared: ReturnType<SharedWatch['shareNames']> | undefined = undefined;
  #warm = false;
  #closed = false;

  constructor(
    endpoints: EndpointsConfig,
    dns: DnsConfig,
    firstOnly: boolean,
    receiver: EndpointReceiver,
    options: DiscoveryOptions,
  ) {
    this.#endpoints = endpoints;
    this.#dns = dns;
    this.#firstOnly = firstOnly;
    this.#receiver = receiver;
    this.#options = options;
    endpoints.localities.forEach((locality, index) => {
      for (const endpoint of locality.endpoints) {
        const { address } = endpoint;
        const literal = address.kind !== 'socket' || isIP(address.host) !== 0;
        this.#names.push({
          endpoint,
          locality: index,
          addresses: literal ? [address.kind === 'socket' ? address.host : ''] : undefined,
          failures: 0,
          answered: literal,
          timer: undefined,
        });
      }
    });
    if (this.#names.every((name) => name.answered)) {
      this.#publish();
      return;
    }
    const { watch } = options;
    const key = JSON.stringify([firstOnly, dns, this.#names.map(({ endpoint }) => endpoint.address)]);
    if (watch?.isWatcher === false) {
      this.#followed = watch.followNames(key, (addresses) => this.#onFollowed(addresses));
      return;
    }
    this.#shared = watch?.shareNames(key);
    for (const name of this.#names) if (!name.answered) this.#resolve(name);
    if (this.#names.every((name) => name.answered)) this.#publish();
  }

  close(): void {
    this.#closed = true;
    this.#followed?.close();
    this.#shared?.close();
    for (const name of this.#names) name.timer?.cancel();
  }

  #onFollowed(addresses: NamedAddresses): void {
    this.#names.forEach((name, index) => {
      name.addresses = addresses[index];
      name.answered = true;
    });
    this.#publish();
  }

  #resolve(name: DnsName): void {
    const { address } = name.endpoint;
    if (address.kind !== 'socket') return;
    this.#options.stats.updateAttempt.inc();
    this.#options.resolver.resolve(address.host, (error, found, ttlMs) => {
      if (this.#closed) return;
      name.answered = true;
      const usable = error === undefined ? chooseFamily(found, this.#dns.lookupFamily) : [];
      if (error !== undefined) {
        name.failures++;
        this.#options.stats.updateFailure.inc();
      } else {
        name.failures = 0;
        this.#options.stats.updateSuccess.inc();
        if (usable.length === 0) this.#options.stats.updateEmpty.inc();
      }
      const addresses =
        error === undefined ? usable.slice(0, this.#firstOnly ? 1 : MOST_ADDRESSES) : name.addresses;
      const changed = !sameAddresses(name.addresses, addresses);
      name.addresses = addresses;
      name.timer = this.#options.clock.setTimer(this.#delayMs(name, ttlMs), () => this.#resolve(name));
      if (changed || !this.#warm) this.#publishWhenAnswered();
    });
  }

  #delayMs(name: DnsName, ttlMs: number): number {
    const refreshMs = this.#dns.respectTtl && ttlMs > 0 ? ttlMs : this.#dns.refreshRateMs;
    const delayMs =
      name.failures === 0
        ? refreshMs
        : Math.min(refreshMs, FIRST_RETRY_MS * 2 ** Math.min(10, name.failures - 1));
    return Math.max(1, delayMs * (1 + JITTER * this.#options.random()));
  }

  #publishWhenAnswered(): void {
    if (this.#warm || this.#names.every((name) => name.answered)) this.#publish();
  }

  #publish(): void {
    this.#shared?.tell(this.#names.map(({ addresses }) => addresses));
    this.#receiver.onEndpoints({
      ...this.#endpoints,
      localities: this.#endpoints.localities.map((locality, index) => ({
        ...locality,
        endpoints: this.#names.flatMap((name) =>
          name.locality === index ? (name.addresses ?? []).map((host) => withHost(name.endpoint, host)) : [],
        ),
      })),
    });
    if (!this.#warm) {
      this.#warm = true;
      this.#receiver.onWarm();
    }
  }
}

function withHost(endpoint: EndpointConfig, host: string): EndpointConfig {
  const { address } = endpoint;
  if (address.kind !== 'socket') return endpoint;
  const hostname = endpoint.hostname === '' ? address.host : endpoint.hostname;
  return { ...endpoint, hostname, address: { ...address, host } };
}

function sameAddresses(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((one, index) => one === b[index]);
}

/** Source: envoy.config.cluster.v3.Cluster.DnsLookupFamily; `auto` takes IPv6 when there is any. */
function chooseFamily(found: readonly ResolvedAddress[], family: DnsConfig['lookupFamily']): string[] {
  const v4 = found.filter((one) => one.family === 4).map((one) => one.address);
  const v6 = found.filter((one) => one.family === 6).map((one) => one.address);
  switch (family) {
    case 'v4-only':
      return v4.sort();
    case 'v6-only':
      return v6.sort();
    case 'v4-preferred':
      return (v4.length > 0 ? v4 : v6).sort();
    case 'auto':
      return (v6.length > 0 ? v6 : v4).sort();
    case 'all':
      return [...v4, ...v6].sort();
  }
}
