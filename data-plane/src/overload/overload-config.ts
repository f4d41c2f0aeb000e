/** What is watched, and what is done when it runs short. Source: envoy.config.overload.v3.OverloadManager. */
export interface OverloadConfig {
  readonly refreshIntervalMs: number;
  readonly monitors: readonly MonitorConfig[];
  readonly actions: readonly OverloadActionConfig[];
  /** Bound of all downstream connections together; undefined: the default. */
  readonly maxConnections: number | undefined;
}

export type MonitorConfig =
  /** What objects and buffers take, of so much. */
  | { readonly kind: 'fixed-heap'; readonly name: string; readonly maxBytes: number }
  /** The same, of what V8 may take and of what the machine or container has. */
  | { readonly kind: 'memory'; readonly name: string }
  /** A pressure from 0 to 1 that stands in a file. */
  | { readonly kind: 'injected'; readonly name: string; readonly file: string };

export type OverloadActionName =
  | 'stop-accepting-requests'
  | 'disable-http-keepalive'
  | 'stop-accepting-connections'
  | 'reject-incoming-connections';

export interface OverloadActionConfig {
  readonly action: OverloadActionName;
  /** Envoy's, for statistics. */
  readonly name: string;
  /** The strongest of them counts. */
  readonly triggers: readonly OverloadTriggerConfig[];
}

/** Pressures are 0..1. */
export type OverloadTriggerConfig =
  | { readonly kind: 'threshold'; readonly monitor: string; readonly value: number }
  /** Nothing up to the first, everything from the second on, and a share between. */
  | { readonly kind: 'scaled'; readonly monitor: string; readonly from: number; readonly to: number };

/** Of a bootstrap that says nothing. */
export const DEFAULT_OVERLOAD: OverloadConfig = Object.freeze({
  refreshIntervalMs: 1000,
  maxConnections: undefined,
  monitors: [{ kind: 'memory', name: 'heddle.resource_monitors.memory' }],
  actions: [
    action('disable-http-keepalive', 'envoy.overload_actions.disable_http_keepalive', 0.92),
    action('stop-accepting-requests', 'envoy.overload_actions.stop_accepting_requests', 0.95),
    action('stop-accepting-connections', 'envoy.overload_actions.stop_accepting_connections', 0.98),
  ],
} as const);

function action(what: OverloadActionName, name: string, value: number): OverloadActionConfig {
  return {
    action: what,
    name,
    triggers: [{ kind: 'threshold', monitor: 'heddle.resource_monitors.memory', value }],
  };
}
