import { adminCall } from '../launcher/admin-call.js';

/** Requests by cluster name, as one sidecar counted them. */
export type RequestsByCluster = ReadonlyMap<string, number>;

/** Reads `envoy_cluster_upstream_rq_total` from a proxy's admin server. Errors: the admin server does not answer. */
export async function requestsByCluster(adminPort: number): Promise<RequestsByCluster> {
  const text = await adminCall('GET', adminPort, '/stats/prometheus');
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) {
    const found = /^envoy_cluster_upstream_rq_total\{(.*)\} (\S+)$/.exec(line);
    const name = /envoy_cluster_name="([^"]*)"/.exec(found?.[1] ?? '')?.[1];
    if (name !== undefined) counts.set(name, Number(found?.[2]));
  }
  return counts;
}

/** The sum of a proxy's counters of this name whose labels hold `label`. Errors: the admin server does not answer. */
export async function counterTotal(adminPort: number, name: string, label: string): Promise<number> {
  const text = await adminCall('GET', adminPort, '/stats/prometheus');
  let total = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith(`${name}{`) && line.includes(label))
      total += Number(line.slice(line.lastIndexOf(' ')));
  }
  return total;
}
