import { Gauge, Registry } from 'prom-client';

/** What the metrics are read from, at each scrape. */
export interface MetricSources {
  readonly proxies: () => number;
  readonly nacks: () => number;
  readonly views: () => number;
  readonly encodedResources: () => number;
  readonly resources: () => number;
  readonly errors: () => number;
  readonly warnings: () => number;
  readonly revision: () => number;
}

/** heddled's own metrics, in Prometheus form. Nothing is counted twice: each reads what the parts hold anyway. */
export function createControlPlaneMetrics(sources: MetricSources): Registry {
  const registry = new Registry();
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('heddled_connected_proxies', 'Proxies with an open discovery stream.', sources.proxies);
  gauge('heddled_nacks_total', 'Answers that proxies refused since the start.', sources.nacks);
  gauge('heddled_proxy_views', 'Distinct views that proxies have of the mesh.', sources.views);
  gauge(
    'heddled_encoded_resources',
    'xDS resources held, each shared by all proxies.',
    sources.encodedResources,
  );
  gauge('heddled_resources', 'Resources in force, from all sources.', sources.resources);
  gauge('heddled_problems_errors', 'Errors in the sources now.', sources.errors);
  gauge('heddled_problems_warnings', 'Warnings about the sources now.', sources.warnings);
  gauge('heddled_config_revision', 'Changes of the configuration since the start.', sources.revision);
  gauge('process_resident_memory_bytes', 'Resident memory of heddled.', () => process.memoryUsage.rss());
  gauge('process_cpu_seconds_total', 'User and system time of heddled.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  return registry;
}
