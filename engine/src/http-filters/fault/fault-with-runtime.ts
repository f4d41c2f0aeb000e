import type { RuntimeSettings } from '../../config/runtime-config.js';
import type { FaultAbort, FaultConfig, FaultDelay, FaultRuntimeKeys } from './config.js';

/** Envoy's keys where the configuration names none. */
const DEFAULT_KEYS: FaultRuntimeKeys = Object.freeze({
  delayPercent: 'fault.http.delay.fixed_delay_percent',
  delayDuration: 'fault.http.delay.fixed_duration_ms',
  abortPercent: 'fault.http.abort.abort_percent',
  abortHttpStatus: 'fault.http.abort.http_status',
  abortGrpcStatus: 'fault.http.abort.grpc_status',
  maxActiveFaults: 'fault.http.max_active_faults',
});

/** The faults as runtime settings would have them; the same object where there is nothing to set. */
export function faultWithRuntime(config: FaultConfig, settings: RuntimeSettings): FaultConfig {
  if (settings.isEmpty || (config.delay === undefined && config.abort === undefined)) return config;
  const keys = { ...DEFAULT_KEYS, ...config.runtimeKeys };
  const most = settings.integer(keys.maxActiveFaults, config.maxActiveFaults ?? Infinity);
  return {
    ...config,
    delay: config.delay && delayOf(config.delay, keys, settings),
    abort: config.abort && abortOf(config.abort, keys, settings),
    maxActiveFaults: most === Infinity ? undefined : most,
  };
}

function delayOf(
  { source, ratio }: FaultDelay,
  keys: FaultRuntimeKeys,
  settings: RuntimeSettings,
): FaultDelay {
  return {
    source:
      source.kind === 'fixed'
        ? { kind: 'fixed', delayMs: settings.integer(keys.delayDuration, source.delayMs) }
        : source,
    ratio: settings.ratio(keys.delayPercent, ratio),
  };
}

function abortOf(
  { source, ratio }: FaultAbort,
  keys: FaultRuntimeKeys,
  settings: RuntimeSettings,
): FaultAbort {
  const share = settings.ratio(keys.abortPercent, ratio);
  if (source.kind === 'grpc') {
    return {
      source: { kind: 'grpc', status: settings.integer(keys.abortGrpcStatus, source.status) },
      ratio: share,
    };
  }
  if (source.kind === 'header') return { source, ratio: share };
  const status = settings.integer(keys.abortHttpStatus, source.status);
  const isStatus = status >= 200 && status <= 599;
  return { source: { kind: 'http', status: isStatus ? status : source.status }, ratio: share };
}
