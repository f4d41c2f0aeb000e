import {
  createRouteTable,
  withFetchedHosts,
  withRuntime,
  type FormatContext,
  type RouteConfig,
  type RouteTable,
  type VirtualHostConfig,
} from '@heddle/engine';
import type { ConfigSource, ResourceSubscription } from '../config-source.js';
import type { Runtime } from '../runtime/runtime.js';

/** A name of DNS with a port. */
const MOST_DOMAIN = 261;

export interface LiveRoutesOptions {
  readonly formatContext: FormatContext;
  readonly runtime: Runtime;
  readonly configSource: ConfigSource | undefined;
}

/**
 * A route configuration in use: its table, made anew when a runtime setting that it names has changed, or a virtual host of those
 * that are fetched for it.
 */
export class LiveRoutes {
  readonly #options: LiveRoutesOptions;
  #config: RouteConfig | undefined = undefined;
  #unwatch: (() => void) | undefined = undefined;
  #fetched: readonly VirtualHostConfig[] = [];
  #hosts: ResourceSubscription | undefined = undefined;
  /** Whoever waits for the first virtual hosts. */
  #onWarm: (() => void) | undefined = undefined;
  /** undefined: no routes have come. */
  table: RouteTable | undefined = undefined;

  constructor(options: LiveRoutesOptions) {
    this.#options = options;
  }

  /** `onWarm` is called once, maybe inside this call, when what is fetched for it has come, or does not come in time. */
  use(config: RouteConfig, onWarm?: () => void): void {
    this.#config = config;
    this.#refresh();
    const { fetchesVirtualHosts } = config;
    if (fetchesVirtualHosts === undefined) {
      this.#hosts?.close();
      this.#hosts = undefined;
      this.#fetched = [];
    } else if (this.#hosts === undefined) {
      this.#onWarm = onWarm;
      this.#watchHosts(config.name, fetchesVirtualHosts.initialFetchTimeoutMs);
      return;
    }
    onWarm?.();
  }

  /**
   * Asks for the virtual host of a request that found none. `onAnswer` is called once, later, when it is in the table or is not to
   * be had. undefined: nothing is asked.
   */
  fetch(authority: string, onAnswer: () => void): ResourceSubscription | undefined {
    if (this.#hosts === undefined || this.#config === undefined) return undefined;
    const domain = authority.toLowerCase();
    // No name of a resource could tell it from another.
    if (domain === '' || domain.length > MOST_DOMAIN || domain.includes('/')) return undefined;
    return this.#options.configSource?.fetchVirtualHost?.(this.#config.name, domain, onAnswer);
  }

  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#hosts?.close();
    this.#hosts = undefined;
  }

  #watchHosts(table: string, timeoutMs: number): void {
    const warmUp = (): void => {
      const onWarm = this.#onWarm;
      this.#onWarm = undefined;
      onWarm?.();
    };
    this.#hosts = this.#options.configSource?.watchVirtualHosts?.(
      table,
      {
        onUpdate: (hosts) => {
          this.#fetched = hosts;
          this.#refresh();
          warmUp();
        },
        onAbsent: warmUp,
      },
      timeoutMs,
    );
    if (this.#hosts === undefined) warmUp();
  }

  #refresh(): void {
    if (this.#config === undefined) return;
    const { formatContext, runtime } = this.#options;
    const config = withFetchedHosts(this.#config, this.#fetched);
    const effective = withRuntime(config, runtime);
    this.table = createRouteTable(effective, formatContext, this.table);
    // It is another one where settings are named.
    if (effective === config) {
      this.#unwatch?.();
      this.#unwatch = undefined;
    } else this.#unwatch ??= runtime.onChange(() => this.#refresh());
  }
}
