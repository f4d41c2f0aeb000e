import type { Random } from '@heddle/common';
import type { RequestHead } from '../../http/message-head.js';
import { headersMatch } from '../../route/header-match.js';
import type { FaultAbort, FaultConfig, FaultDelay } from './config.js';

/** What happens to one request: first the delay (0: none), then the abort, if any. */
export interface FaultDecision {
  readonly delayMs: number;
  readonly abort:
    | { readonly kind: 'http'; readonly status: number }
    | { readonly kind: 'grpc'; readonly status: number }
    | undefined;
}

const NO_FAULT: FaultDecision = Object.freeze({ delayMs: 0, abort: undefined });

/**
 * Decides what the fault filter does to a request that goes to `clusterName`.
 *
 * Source: Envoy's fault filter: where the headers decide, `…-percentage` headers may lower the configured share, never raise it.
 */
export function decideFault(
  config: FaultConfig,
  head: RequestHead,
  clusterName: string,
  random: Random,
): FaultDecision {
  if (config.upstreamCluster !== '' && config.upstreamCluster !== clusterName) return NO_FAULT;
  if (config.downstreamNodes.length > 0) {
    const node = head.headers.get('x-envoy-downstream-service-node');
    if (node === undefined || !config.downstreamNodes.includes(node)) return NO_FAULT;
  }
  if (!headersMatch(config.headers, head)) return NO_FAULT;
  const delayMs = config.delay === undefined ? 0 : decideDelay(config.delay, head, random);
  const abort = config.abort === undefined ? undefined : decideAbort(config.abort, head, random);
  return delayMs === 0 && abort === undefined ? NO_FAULT : { delayMs, abort };
}

function decideDelay(delay: FaultDelay, head: RequestHead, random: Random): number {
  if (delay.source.kind === 'fixed') return random() < delay.ratio ? delay.source.delayMs : 0;
  const wanted = number(head, 'x-envoy-fault-delay-request');
  if (wanted === undefined) return 0;
  return random() < lowered(delay.ratio, head, 'x-envoy-fault-delay-request-percentage') ? wanted : 0;
}

function decideAbort(abort: FaultAbort, head: RequestHead, random: Random): FaultDecision['abort'] {
  if (abort.source.kind !== 'header') return random() < abort.ratio ? abort.source : undefined;
  const ratio = lowered(abort.ratio, head, 'x-envoy-fault-abort-request-percentage');
  const status = number(head, 'x-envoy-fault-abort-request');
  if (status !== undefined && status >= 200 && status <= 599) {
    return random() < ratio ? { kind: 'http', status } : undefined;
  }
  const grpc = number(head, 'x-envoy-fault-abort-grpc-request');
  if (grpc === undefined) return undefined;
  return random() < ratio ? { kind: 'grpc', status: grpc } : undefined;
}

function lowered(ratio: number, head: RequestHead, header: string): number {
  const percent = number(head, header);
  return percent === undefined ? ratio : Math.min(ratio, percent / 100);
}

function number(head: RequestHead, header: string): number | undefined {
  const value = head.headers.get(header);
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
