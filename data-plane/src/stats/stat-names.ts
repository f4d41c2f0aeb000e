import type { Tags } from './stats-store.js';

/** Which part of a dotted name the value of a tag follows. */
const AFTER: Readonly<Record<string, string>> = {
  envoy_cluster_name: 'cluster',
  envoy_http_conn_manager_prefix: 'http',
  envoy_listener_address: 'listener',
  envoy_tcp_prefix: 'tcp',
  envoy_rds_route_config: 'rds',
  envoy_rbac_policy: 'policy',
  envoy_local_network_ratelimit_prefix: 'local_rate_limit',
};

/** Which part the value of a tag precedes. */
const BEFORE: Readonly<Record<string, string>> = {
  envoy_local_http_ratelimit_prefix: 'http_local_rate_limit',
};

/**
 * A metric's name as Envoy's `/stats` prints it: `cluster.upstream_rq_xx` of cluster `a` and class 2 is
 * `cluster.a.upstream_rq_2xx`.
 *
 * Shape: tags that have no place in Envoy's names follow as `name.value`.
 */
export function dottedName(name: string, tags: Tags): string {
  const parts = name.split('.');
  const rest: string[] = [];
  for (const [tag, value] of tags) {
    const last = parts.length - 1;
    const lastPart = parts[last] as string;
    if (tag === 'envoy_response_code_class') {
      parts[last] = lastPart.endsWith('_xx')
        ? `${lastPart.slice(0, -2)}${value}xx`
        : `${lastPart}_${value}xx`;
      continue;
    }
    if (tag === 'envoy_response_code') {
      parts[last] = `${lastPart}_${value}`;
      continue;
    }
    const before = BEFORE[tag];
    if (before !== undefined) {
      const at = parts.indexOf(before);
      if (at >= 0) parts[at] = `${value}.${before}`;
      continue;
    }
    const after = AFTER[tag];
    const at = after === undefined ? -1 : parts.indexOf(after);
    if (at < 0) rest.push(tag, value);
    else
      parts[at] =
        `${parts[at] as string}.${tag === 'envoy_listener_address' ? value.replaceAll(':', '_') : value}`;
  }
  return [...parts, ...rest].join('.');
}

/** A metric's name as Envoy's Prometheus output has it: `envoy_cluster_upstream_rq_xx`. */
export function prometheusName(name: string): string {
  return `envoy_${name.replace(/[^a-zA-Z0-9_]/g, '_')}`;
}

/** A label's value between its quotes, with what Prometheus's text format escapes. */
export function escapeLabelValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/** `{a="1",b="2"}`, or nothing without tags. */
export function prometheusLabels(tags: Tags): string {
  const labels = tags.map(([name, value]) => `${labelName(name)}="${escapeLabelValue(value)}"`);
  return labels.length === 0 ? '' : `{${labels.join(',')}}`;
}

function labelName(name: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_]/g, '_');
  return /^[a-zA-Z_]/.test(plain) ? plain : `_${plain}`;
}
