import { envoy, unpackAny, type MessageType } from '@heddle/xds-protos';
import {
  DEFAULT_OVERLOAD,
  type MonitorConfig,
  type OverloadActionConfig,
  type OverloadActionName,
  type OverloadConfig,
  type OverloadTriggerConfig,
} from '../overload/overload-config.js';
import type { BootstrapFindings } from './bootstrap-findings.js';

type Manager = envoy.config.overload.v3.OverloadManager;
type ResourceMonitor = envoy.config.overload.v3.ResourceMonitor;

const monitors = envoy.extensions.resource_monitors;
const REFRESH_INTERVAL_MS = 1000;
const LEAST_INTERVAL_MS = 10;

const ACTIONS: ReadonlyMap<string, OverloadActionName> = new Map([
  ['envoy.overload_actions.stop_accepting_requests', 'stop-accepting-requests'],
  ['envoy.overload_actions.disable_http_keepalive', 'disable-http-keepalive'],
  ['envoy.overload_actions.stop_accepting_connections', 'stop-accepting-connections'],
  ['envoy.overload_actions.reject_incoming_connections', 'reject-incoming-connections'],
]);

/** What is done anyway: memory counts after dead objects were collected. */
const SHRINK_HEAP = 'envoy.overload_actions.shrink_heap';

/** Source: envoy.config.overload.v3.OverloadManager; without one, a proxy watches its memory all the same. */
export function translateOverload(manager: Manager | null, findings: BootstrapFindings): OverloadConfig {
  if (manager === null) return DEFAULT_OVERLOAD;
  const path = 'overload_manager';
  findings.ignored(`${path}.loadshed_points`, manager.loadshedPoints.length > 0);
  findings.ignored(`${path}.buffer_factory_config`, manager.bufferFactoryConfig !== null);
  let maxConnections: number | undefined;
  const names = new Set<string>();
  const watched = manager.resourceMonitors.flatMap((monitor, i): MonitorConfig[] => {
    const at = `${path}.resource_monitors[${i}]`;
    if (monitor.name === '') findings.problem(`${at}.name`, 'must be set');
    if (names.has(monitor.name))
      findings.problem(`${at}.name`, `a second monitor is named "${monitor.name}"`);
    names.add(monitor.name);
    const connections = unpack(
      monitor,
      monitors.downstream_connections.v3.DownstreamConnectionsConfig,
      at,
      findings,
    );
    if (connections !== undefined) {
      maxConnections = connections.maxActiveDownstreamConnections;
      if (maxConnections <= 0) {
        findings.problem(`${at}.typed_config.max_active_downstream_connections`, 'must be more than zero');
      }
      return [];
    }
    return translateMonitor(monitor, at, findings);
  });
  return {
    refreshIntervalMs: intervalMs(manager, `${path}.refresh_interval`, findings),
    maxConnections,
    monitors: watched,
    actions: manager.actions.flatMap((action, i) =>
      translateAction(action, names, `${path}.actions[${i}]`, findings),
    ),
  };
}

function intervalMs({ refreshInterval }: Manager, path: string, findings: BootstrapFindings): number {
  if (refreshInterval === null) return REFRESH_INTERVAL_MS;
  const ms = refreshInterval.seconds * 1000 + refreshInterval.nanos / 1e6;
  if (ms < LEAST_INTERVAL_MS) findings.problem(path, `must be at least ${LEAST_INTERVAL_MS} ms`);
  return ms;
}

function translateMonitor(
  monitor: ResourceMonitor,
  path: string,
  findings: BootstrapFindings,
): MonitorConfig[] {
  const { name } = monitor;
  const heap = unpack(monitor, monitors.fixed_heap.v3.FixedHeapConfig, path, findings);
  if (heap !== undefined) {
    if (heap.maxHeapSizeBytes <= 0) {
      findings.problem(`${path}.typed_config.max_heap_size_bytes`, 'must be more than zero');
    }
    return [{ kind: 'fixed-heap', name, maxBytes: heap.maxHeapSizeBytes }];
  }
  const injected = unpack(monitor, monitors.injected_resource.v3.InjectedResourceConfig, path, findings);
  if (injected !== undefined) {
    if (injected.filename === '') findings.problem(`${path}.typed_config.filename`, 'must be set');
    return [{ kind: 'injected', name, file: injected.filename }];
  }
  findings.ignored(`${path} (${name})`, true);
  return [];
}

function unpack<T extends object>(
  { typedConfig }: ResourceMonitor,
  type: MessageType<T>,
  path: string,
  findings: BootstrapFindings,
): T | undefined {
  try {
    return unpackAny(typedConfig, type);
  } catch (cause) {
    findings.problem(`${path}.typed_config`, `cannot be read: ${(cause as Error).message}`);
    return undefined;
  }
}

function translateAction(
  action: envoy.config.overload.v3.OverloadAction,
  monitorNames: ReadonlySet<string>,
  path: string,
  findings: BootstrapFindings,
): OverloadActionConfig[] {
  if (action.triggers.length === 0) findings.problem(`${path}.triggers`, 'must have at least one entry');
  const triggers = action.triggers.flatMap((trigger, i): OverloadTriggerConfig[] => {
    const at = `${path}.triggers[${i}]`;
    const monitor = trigger.name;
    if (!monitorNames.has(monitor)) findings.problem(`${at}.name`, `there is no monitor "${monitor}"`);
    const isRatio = (value: number, field: string): void => {
      if (!(value >= 0 && value <= 1)) findings.problem(`${at}.${field}`, `must be in 0..1 (is ${value})`);
    };
    switch (trigger.triggerOneof) {
      case 'threshold': {
        const value = trigger.threshold?.value ?? 0;
        isRatio(value, 'threshold.value');
        return [{ kind: 'threshold', monitor, value }];
      }
      case 'scaled': {
        const { scalingThreshold: from = 0, saturationThreshold: to = 0 } = trigger.scaled ?? {};
        isRatio(from, 'scaled.scaling_threshold');
        isRatio(to, 'scaled.saturation_threshold');
        if (from >= to)
          findings.problem(`${at}.scaled`, 'scaling_threshold must be below saturation_threshold');
        return [{ kind: 'scaled', monitor, from, to }];
      }
      case undefined:
        findings.problem(at, 'one of threshold or scaled must be set');
        return [];
    }
  });
  const what = ACTIONS.get(action.name);
  if (what !== undefined) return [{ action: what, name: action.name, triggers }];
  findings.ignored(`${path} (${action.name})`, action.name !== SHRINK_HEAP);
  return [];
}
