import type { Translated } from '../config/problem.js';

/**
 * What translation needs to know of an HTTP filter.
 *
 * Shape: `typeUrl` is the filter's own configuration message, `perRouteTypeUrl` that of its overrides on routes (often the
 * same). The parsers take the bytes of the `Any` and the path to name in problems; they never throw.
 */
export interface HttpFilterFactoryConfig {
  /** Envoy's canonical name, for messages. */
  readonly name: string;
  readonly typeUrl: string;
  readonly perRouteTypeUrl: string | undefined;
  parse(bytes: Uint8Array, path: string): Translated<unknown>;
  parsePerRoute(bytes: Uint8Array, path: string): Translated<unknown>;
  /** Whether it must be the last of a chain, and the only one of its kind. */
  readonly terminal: boolean;
}

/** What `perFilterConfig` holds for a filter that a route, virtual host or weighted cluster switches off. */
export const FILTER_DISABLED: unique symbol = Symbol('filter disabled');
