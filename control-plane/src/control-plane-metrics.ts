import { Gauge, Registry } from 'prom-client';
import type { CertificateAuthority } from './ca/certificate-authority.js';
import type { KeySetStore } from './jwks/key-set-store.js';
import type { MetricsCollector } from './traffic/metrics-collector.js';
import type { TrafficStore } from './traffic/traffic-store.js';
import type { InjectionWebhook } from './webhook/injection-webhook.js';
import type { InjectorConfigFile } from './webhook/injector-config-file.js';

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
  /** By reason. */
  readonly refusedProxies: () => ReadonlyMap<string, number>;
  /** undefined: heddled is no certificate authority. */
  readonly ca: CertificateAuthority | undefined;
  /** undefined: pods are not injected. */
  readonly injectorConfig: InjectorConfigFile | undefined;
  readonly webhook: InjectionWebhook | undefined;
  readonly keySets: KeySetStore;
  readonly traffic: TrafficStore;
  readonly collector: MetricsCollector;
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
  const gaugeByReason = (name: string, help: string, read: () => ReadonlyMap<string, number>): void => {
    new Gauge({
      name,
      help,
      labelNames: ['reason'],
      registers: [registry],
      collect() {
        for (const [reason, count] of read()) this.set({ reason }, count);
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
  const { keySets } = sources;
  gauge('heddled_key_sets', 'Key sets of token issuers that policies refer to by URL.', () => keySets.size);
  gauge(
    'heddled_key_sets_missing',
    'Key sets that were never fetched: all tokens of their issuers are refused.',
    () => keySets.missing,
  );
  gauge(
    'heddled_key_sets_failing',
    'Key sets whose last fetch failed; those that came before stay in force.',
    () => keySets.failing,
  );
  gauge('heddled_key_set_fetches_total', 'Fetches of key sets since the start.', () => keySets.fetches);
  gauge(
    'heddled_key_set_fetch_failures_total',
    'Fetches of key sets that failed since the start.',
    () => keySets.failures,
  );
  gaugeByReason(
    'heddled_refused_proxies_total',
    'Discovery streams refused since the start.',
    sources.refusedProxies,
  );
  const { traffic, collector } = sources;
  gauge('heddled_traffic_records', 'Pairs of caller and called that are remembered.', () => traffic.size);
  gauge(
    'heddled_traffic_overflow_total',
    'Pairs of caller and called that found no room.',
    () => traffic.overflowed,
  );
  gauge(
    'heddled_scrape_rounds_total',
    'Times that every proxy was asked for its metrics.',
    () => collector.rounds,
  );
  gauge(
    'heddled_scrape_failures_total',
    'Times that a proxy did not tell its metrics.',
    () => collector.failures,
  );
  if (sources.webhook !== undefined) {
    registry.registerMetric(sources.webhook.durations);
    addWebhookMetrics(sources.webhook, gauge, gaugeByReason);
    gauge(
      'heddled_injector_config_refused',
      "1 while the injector's configuration file cannot be used, and its last good version is.",
      () => (sources.injectorConfig?.problem === undefined ? 0 : 1),
    );
  }
  if (sources.ca !== undefined) addCaMetrics(sources.ca, gauge, gaugeByReason);
  gauge('process_resident_memory_bytes', 'Resident memory of heddled.', () => process.memoryUsage.rss());
  gauge('process_cpu_seconds_total', 'User and system time of heddled.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  return registry;
}

type AddGauge = (name: string, help: string, read: () => number) => void;
type AddGaugeByReason = (name: string, help: string, read: () => ReadonlyMap<string, number>) => void;

function addWebhookMetrics(
  webhook: InjectionWebhook,
  gauge: AddGauge,
  gaugeByReason: AddGaugeByReason,
): void {
  gauge(
    'heddled_injection_requests_total',
    'Questions about pods since the start.',
    () => webhook.counts.requests,
  );
  gauge('heddled_injection_success_total', 'Pods that were injected.', () => webhook.counts.injected);
  gauge(
    'heddled_injection_refused_total',
    'Pods that were refused, for they cannot be injected as they are.',
    () => webhook.counts.refused,
  );
  gaugeByReason(
    'heddled_injection_skipped_total',
    'Pods that were left as they are.',
    () => webhook.counts.skipped,
  );
  gaugeByReason(
    'heddled_injection_failures_total',
    'Calls that were not answered with a review, by HTTP status.',
    () => webhook.counts.failures,
  );
  gauge(
    'heddled_injection_handshake_failures_total',
    'TLS handshakes with the webhook that failed.',
    () => webhook.counts.handshakeFailures,
  );
}

function addCaMetrics(ca: CertificateAuthority, gauge: AddGauge, gaugeByReason: AddGaugeByReason): void {
  gauge(
    'heddled_ca_certificates_issued_total',
    'Certificates signed since the start.',
    () => ca.status.signed,
  );
  gaugeByReason(
    'heddled_ca_refused_total',
    'Requests for certificates refused since the start.',
    () => ca.refused,
  );
  gauge('heddled_ca_root_expiry_timestamp_seconds', 'When the root that signs expires.', () =>
    Math.min(...ca.status.roots.filter(({ signs }) => signs).map(({ notAfterMs }) => notAfterMs / 1000)),
  );
  gauge(
    'heddled_ca_workloads',
    'Proxies and agents that have an identity and are connected.',
    () => ca.holders().filter(({ presence }) => presence === 'connected').length,
  );
  gauge('heddled_ca_roots', 'Roots that are trusted: two during a rotation.', () => ca.status.roots.length);
  gauge(
    'heddled_serving_certificate_expiry_timestamp_seconds',
    "When heddled's own certificate expires.",
    () => (ca.serving.certificate?.notAfterMs ?? 0) / 1000,
  );
  gauge('heddled_tls_connections', 'Open TLS connections.', () => ca.portCounts?.connections ?? 0);
  gauge(
    'heddled_tls_handshake_failures_total',
    'TLS handshakes that failed.',
    () => ca.portCounts?.handshakeFailures ?? 0,
  );
  gauge(
    'heddled_tls_untrusted_certificates_total',
    'Client certificates that no trusted root stands behind, or that had expired.',
    () => ca.portCounts?.untrustedCertificates ?? 0,
  );
  gauge(
    'heddled_tls_overflow_total',
    'Connections closed because there were too many.',
    () => ca.portCounts?.overflow ?? 0,
  );
}
