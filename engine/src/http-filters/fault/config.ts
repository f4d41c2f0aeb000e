import { envoy } from '@heddle/xds-protos';
import type { Translated } from '../../config/problem.js';
import type { HeaderMatchConfig } from '../../config/route-config.js';
import { decodeAs } from '../../translate/any-config.js';
import { Findings } from '../../translate/findings.js';
import { translateHeaderMatcher } from '../../translate/matchers.js';
import {
  deepFreeze,
  fractionRatio,
  positiveDurationMs,
  wrappedNumber,
} from '../../translate/proto-values.js';
import type { HttpFilterFactoryConfig } from '../http-filter.js';

const { HTTPFault } = envoy.extensions.filters.http.fault.v3;

/** Source: envoy.extensions.filters.http.fault.v3.HTTPFault. Ratios are 0..1. */
export interface FaultConfig {
  readonly delay: FaultDelay | undefined;
  readonly abort: FaultAbort | undefined;
  /** Only requests that match all of these are touched. */
  readonly headers: readonly HeaderMatchConfig[];
  /** Only requests to this cluster are touched; empty means every cluster. */
  readonly upstreamCluster: string;
  /** Only callers whose `x-envoy-downstream-service-node` is listed are touched; empty means every caller. */
  readonly downstreamNodes: readonly string[];
  /** At most so many faults at a time; undefined means without a bound. */
  readonly maxActiveFaults: number | undefined;
  /** Runtime settings that stand in for what is above. Left out: Envoy's keys do. */
  readonly runtimeKeys?: Partial<FaultRuntimeKeys>;
}

export interface FaultRuntimeKeys {
  readonly delayPercent: string;
  readonly delayDuration: string;
  readonly abortPercent: string;
  readonly abortHttpStatus: string;
  readonly abortGrpcStatus: string;
  readonly maxActiveFaults: string;
}

export interface FaultDelay {
  /** `header`: the request's `x-envoy-fault-delay-request` says how many ms. */
  readonly source: { readonly kind: 'fixed'; readonly delayMs: number } | { readonly kind: 'header' };
  readonly ratio: number;
}

export interface FaultAbort {
  /** `header`: the request's `x-envoy-fault-abort-request` (or `-grpc-request`) says which status. */
  readonly source:
    | { readonly kind: 'http'; readonly status: number }
    | { readonly kind: 'grpc'; readonly status: number }
    | { readonly kind: 'header' };
  readonly ratio: number;
}

export const faultFilter: HttpFilterFactoryConfig = {
  name: 'envoy.filters.http.fault',
  typeUrl: `type.googleapis.com/${HTTPFault.typeName}`,
  perRouteTypeUrl: `type.googleapis.com/${HTTPFault.typeName}`,
  terminal: false,
  parse: parseFault,
  parsePerRoute: parseFault,
};

function parseFault(bytes: Uint8Array, path: string): Translated<FaultConfig> {
  const findings = new Findings();
  const fault = decodeAs(bytes, HTTPFault, path, findings) ?? HTTPFault.create();
  findings.unsupported(`${path}.response_rate_limit`, fault.responseRateLimit !== null, 'warning');
  const config: FaultConfig = {
    delay: translateDelay(fault, `${path}.delay`, findings),
    abort: translateAbort(fault, `${path}.abort`, findings),
    headers: fault.headers.map((matcher, i) =>
      translateHeaderMatcher(matcher, `${path}.headers[${i}]`, findings),
    ),
    upstreamCluster: fault.upstreamCluster,
    downstreamNodes: [...fault.downstreamNodes],
    maxActiveFaults:
      fault.maxActiveFaults === null
        ? undefined
        : wrappedNumber(fault.maxActiveFaults, 0, `${path}.max_active_faults`, findings),
  };
  return findings.finish(deepFreeze({ ...config, ...runtimeKeys(fault) }));
}

function runtimeKeys(fault: Fault): Pick<FaultConfig, 'runtimeKeys'> {
  const keys: FaultRuntimeKeys = {
    delayPercent: fault.delayPercentRuntime,
    delayDuration: fault.delayDurationRuntime,
    abortPercent: fault.abortPercentRuntime,
    abortHttpStatus: fault.abortHttpStatusRuntime,
    abortGrpcStatus: fault.abortGrpcStatusRuntime,
    maxActiveFaults: fault.maxActiveFaultsRuntime,
  };
  const named = Object.entries(keys).filter(([, key]) => key !== '');
  return named.length === 0 ? {} : { runtimeKeys: Object.fromEntries(named) as Partial<FaultRuntimeKeys> };
}

type Fault = envoy.extensions.filters.http.fault.v3.HTTPFault;

function translateDelay({ delay }: Fault, path: string, findings: Findings): FaultDelay | undefined {
  if (delay === null) return undefined;
  const ratio = fractionRatio(delay.percentage, 0, `${path}.percentage`, findings);
  switch (delay.faultDelaySecifier) {
    case 'fixedDelay': {
      const delayMs = positiveDurationMs(delay.fixedDelay, 0, `${path}.fixed_delay`, findings);
      return { source: { kind: 'fixed', delayMs }, ratio };
    }
    case 'headerDelay':
      return { source: { kind: 'header' }, ratio };
    case undefined:
      findings.problem(path, 'one of fixed_delay or header_delay must be set');
      return undefined;
  }
}

function translateAbort({ abort }: Fault, path: string, findings: Findings): FaultAbort | undefined {
  if (abort === null) return undefined;
  const ratio = fractionRatio(abort.percentage, 0, `${path}.percentage`, findings);
  switch (abort.errorType) {
    case 'httpStatus': {
      const status = abort.httpStatus ?? 0;
      if (status < 200 || status > 599) {
        findings.problem(`${path}.http_status`, `must be in 200..599 (is ${status})`);
      }
      return { source: { kind: 'http', status }, ratio };
    }
    case 'grpcStatus': {
      const status = abort.grpcStatus ?? 0;
      return { source: { kind: 'grpc', status }, ratio };
    }
    case 'headerAbort':
      return { source: { kind: 'header' }, ratio };
    case undefined:
      findings.problem(path, 'one of http_status, grpc_status or header_abort must be set');
      return undefined;
  }
}
