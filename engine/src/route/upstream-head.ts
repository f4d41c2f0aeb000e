import type { ForwardAction, WeightedClusterConfig } from '../config/route-config.js';
import type { RequestHead } from '../http/message-head.js';
import type { StreamInfo } from '../http/stream-info.js';
import { applyHeaderChanges, type CompiledHeaderChanges } from './header-changes.js';
import { rewriteHost, rewritePath } from './rewrite.js';
import type { RouteMatch } from './route-table.js';

/** Header changes of one weighted cluster, compiled. */
export interface WeightedChanges {
  readonly request: readonly CompiledHeaderChanges[];
  readonly response: readonly CompiledHeaderChanges[];
}

/** What of a stream is read and written while its request gets the form in which it is sent on. */
export interface RoutedStream extends StreamInfo {
  readonly weightedCluster: WeightedClusterConfig | undefined;
  /** Set when the path is rewritten. */
  originalPath: string | undefined;
}

/** Makes the head that was received the one that is sent: the route's changes of fields, host and path. */
export function makeUpstreamHead(
  match: RouteMatch,
  action: ForwardAction,
  head: RequestHead,
  info: RoutedStream,
  weighted: WeightedChanges | undefined,
  suppressEnvoyHeaders: boolean,
): void {
  const { headers } = head;
  if (match.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', '1');
  if (weighted !== undefined && match.weightedFirst) applyHeaderChanges(weighted.request, headers, info);
  if (match.requestHeaders.length > 0) applyHeaderChanges(match.requestHeaders, headers, info);
  if (weighted !== undefined && !match.weightedFirst) applyHeaderChanges(weighted.request, headers, info);
  const host = rewriteHost(action, head, info.weightedCluster?.hostRewriteLiteral);
  if (host !== undefined) setHost(action, head, host, info, suppressEnvoyHeaders);
  const path = rewritePath(match.route, action, head.path);
  if (path !== undefined) {
    info.originalPath = head.path;
    if (!suppressEnvoyHeaders) headers.set('x-envoy-original-path', head.path);
    head.path = path;
  }
}

export function setHost(
  action: ForwardAction,
  head: RequestHead,
  host: string,
  info: RoutedStream,
  suppressEnvoyHeaders: boolean,
): void {
  if (host === head.authority) return;
  if (action.appendXForwardedHost) {
    const before = head.headers.joined('x-forwarded-host');
    head.headers.set(
      'x-forwarded-host',
      before === undefined ? head.authority : `${before},${head.authority}`,
    );
  }
  // As Envoy: not where the rewrite is one of a weighted cluster.
  if (!suppressEnvoyHeaders && (info.weightedCluster?.hostRewriteLiteral ?? '') === '') {
    head.headers.set('x-envoy-original-host', head.authority);
  }
  head.authority = host;
}

/**
 * How long the upstream has: what is left of the request's time after `elapsedMs`, or an attempt's time. 0: as long as it likes.
 *
 * Source: Envoy's FilterUtility::setTimeoutHeaders.
 */
export function expectedTimeoutMs(timeoutMs: number, perTryMs: number, elapsedMs: number): number {
  const expectedMs = perTryMs > 0 ? perTryMs : timeoutMs;
  if (timeoutMs <= 0 || expectedMs <= 0) return expectedMs;
  return Math.max(1, Math.min(expectedMs, Math.ceil(timeoutMs - elapsedMs)));
}
