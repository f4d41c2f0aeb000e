import { BrokenInvariantError } from '@heddle/common';
import {
  LOCAL_REPLY,
  whyNotExtension,
  type DiscoveredHttpFilterConfig,
  type ExtensionConfig,
  type HttpFilterConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { NamedFilterFactory } from './filter-chain.js';
import {
  FilterStatus,
  type ObserverContext,
  type StreamFilterFactory,
  type StreamObserver,
} from './filter.js';
import { httpFilterOf } from './filters/index.js';
import { ROUTER_TYPE_URL } from './filters/router/type-url.js';

/** One filter of the chain made ready. */
interface MadeFilter {
  readonly factory: NamedFilterFactory | undefined;
  readonly observer: StreamObserver | undefined;
}

const NOTHING: MadeFilter = Object.freeze({ factory: undefined, observer: undefined });

/**
 * The HTTP filters of one connection manager made ready, the router left out. Those that are fetched (ECDS) change while it runs:
 * requests go on with the filters that they began with.
 *
 * Cost: without filters that are fetched everything is done by the constructor.
 */
export class HttpFilters {
  readonly #configs: readonly (HttpFilterConfig | DiscoveredHttpFilterConfig)[];
  readonly #context: ObserverContext;
  readonly #onChange: (() => void) | undefined;
  readonly #made: MadeFilter[];
  readonly #subscriptions: ResourceSubscription[] = [];
  factories: readonly NamedFilterFactory[] = [];
  observers: readonly StreamObserver[] = [];

  /** `onChange` is called when filters have changed, not for those of the constructor. */
  constructor(
    configs: readonly (HttpFilterConfig | DiscoveredHttpFilterConfig)[],
    context: ObserverContext,
    onChange?: () => void,
  ) {
    this.#configs = configs;
    this.#context = context;
    this.#onChange = onChange;
    this.#made = configs.map((config) => ('discovery' in config ? missing(config) : this.#make(config)));
    this.#assemble();
  }

  /** Fetches those that are fetched. `onWarm` is called once, maybe inside this call, when none is waited for. */
  start(source: ConfigSource | undefined, onWarm: () => void): void {
    let waiting = 1;
    const one = (): void => {
      if (--waiting === 0) onWarm();
    };
    this.#configs.forEach((config, index) => {
      if (!('discovery' in config)) return;
      waiting++;
      this.#watch(config, index, source, one);
    });
    one();
  }

  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.close();
  }

  #watch(
    config: DiscoveredHttpFilterConfig,
    index: number,
    source: ConfigSource | undefined,
    onWarm: () => void,
  ): void {
    const { discovery, name } = config;
    const { stats } = this.#context;
    let isWarm = false;
    const warmUp = (): void => {
      if (isWarm) return;
      isWarm = true;
      onWarm();
    };
    const use = (extension: ExtensionConfig | undefined): void => {
      this.#made[index] = extension === undefined ? missing(config) : this.#makeFetched(config, extension);
      this.#assemble();
      this.#onChange?.();
    };
    const prefix = `extension_config_discovery.http_filter.${name}`;
    const reloads = stats.counter(`${prefix}.config_reload`);
    const conflicts = stats.counter(`${prefix}.config_conflict`);
    if (discovery.defaultsAtOnce) {
      use(discovery.defaultConfig);
      warmUp();
    }
    const subscription = source?.watchExtension(
      name,
      {
        typeUrls: discovery.typeUrls,
        whyNot: (extension) => {
          const why = whyNotExtension(extension, discovery);
          if (why !== undefined) conflicts.inc();
          return why;
        },
        onUpdate: (extension) => {
          reloads.inc();
          use(extension);
          warmUp();
        },
        onAbsent: (reason) => {
          // What came earlier stays when a later answer is only late.
          if (reason === 'removed' || !isWarm) use(discovery.defaultConfig);
          warmUp();
        },
      },
      discovery.initialFetchTimeoutMs,
    );
    if (subscription === undefined) warmUp();
    else this.#subscriptions.push(subscription);
  }

  #makeFetched(config: DiscoveredHttpFilterConfig, { typeUrl, filter }: ExtensionConfig): MadeFilter {
    const { name, disabled } = config;
    if (filter.kind !== 'http') throw new BrokenInvariantError('a network filter among HTTP filters');
    return this.#make({ name, typeUrl, config: filter.config, disabled });
  }

  #make({ name, typeUrl, config, disabled }: HttpFilterConfig): MadeFilter {
    if (typeUrl === ROUTER_TYPE_URL) return NOTHING;
    const kind = httpFilterOf(typeUrl);
    // Configurations with such a filter are refused: it may be one that keeps somebody out.
    if (kind === undefined) throw new BrokenInvariantError(`HTTP filter ${typeUrl} is not there`);
    if ('create' in kind) {
      const isIdle = disabled || kind.isIdle?.(config) === true;
      const { findsRoutes = false } = kind;
      const factory = {
        name,
        create: kind.create(config, this.#context),
        isOff: disabled,
        isIdle,
        findsRoutes,
      };
      return { factory, observer: undefined };
    }
    return { factory: undefined, observer: disabled ? undefined : kind.observe(config, this.#context) };
  }

  #assemble(): void {
    const factories = this.#made.flatMap(({ factory }) => factory ?? []);
    // Whoever finds a route comes first, wherever it stands: all others go by what that route says of them.
    const isEarly = ({ findsRoutes }: NamedFilterFactory): boolean => findsRoutes === true;
    this.factories = factories.some(isEarly)
      ? [...factories.filter(isEarly), ...factories.filter((one) => !isEarly(one))]
      : factories;
    this.observers = this.#made.flatMap(({ observer }) => observer ?? []);
  }
}

/** Stands where a filter is not known yet: nothing may pass that it might have stopped. */
const refuseAll: StreamFilterFactory = (handle) => ({
  decodeHeaders() {
    handle.sendLocalReply(LOCAL_REPLY.noFilterConfig);
    return FilterStatus.StopIteration;
  },
  onDestroy() {
    // Nothing is pending.
  },
});

function missing({ name, disabled }: DiscoveredHttpFilterConfig): MadeFilter {
  return { factory: { name, create: refuseAll, isOff: disabled, isIdle: disabled }, observer: undefined };
}
