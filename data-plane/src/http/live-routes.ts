import {
  createRouteTable,
  withRuntime,
  type FormatContext,
  type RouteConfig,
  type RouteTable,
} from '@heddle/engine';
import type { Runtime } from '../runtime/runtime.js';

/** A route configuration in use: its table, made anew when a runtime setting that it names has changed. */
export class LiveRoutes {
  readonly #context: FormatContext;
  readonly #runtime: Runtime;
  #config: RouteConfig | undefined = undefined;
  #unwatch: (() => void) | undefined = undefined;
  /** undefined: no routes have come. */
  table: RouteTable | undefined = undefined;

  constructor(context: FormatContext, runtime: Runtime) {
    this.#context = context;
    this.#runtime = runtime;
  }

  use(config: RouteConfig): void {
    const effective = withRuntime(config, this.#runtime);
    this.#config = config;
    this.table = createRouteTable(effective, this.#context);
    // It is another one where settings are named.
    if (effective === config) this.close();
    else this.#unwatch ??= this.#runtime.onChange(() => this.#refresh());
  }

  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #refresh(): void {
    if (this.#config !== undefined) this.use(this.#config);
  }
}
