import { PROMETHEUS_PATH, SIDECAR_PORTS } from './sidecar-names.js';

/** Where the application's own metrics are, as its annotations say: the sidecar scrapes them and appends its own. */
export interface AppScrape {
  readonly scrape: string;
  readonly path: string;
  readonly port: string;
  readonly scheme?: string;
}

export interface MergedPrometheus {
  readonly annotations: Readonly<Record<string, string>>;
  /** Undefined where the application has no metrics of its own, or none may be scraped. */
  readonly appScrape: AppScrape | undefined;
}

/**
 * Leads a scrape of the pod to the sidecar's port 15020, which answers with the sidecar's and the application's metrics.
 *
 * Source: Istio's metrics merging: on, unless the pod says `prometheus.io/scrape: "false"`.
 */
export function mergePrometheus(
  annotations: Readonly<Record<string, string>>,
  warnings: string[],
): MergedPrometheus {
  const scrape = annotations['prometheus.io/scrape'];
  if (scrape !== undefined && /^(0|f|false)$/i.test(scrape)) return { annotations, appScrape: undefined };
  const merged: Record<string, string> = {
    ...annotations,
    'prometheus.io/scrape': 'true',
    'prometheus.io/port': String(SIDECAR_PORTS.status),
    'prometheus.io/path': PROMETHEUS_PATH,
  };
  const {
    'prometheus.io/port': port,
    'prometheus.io/path': path,
    'prometheus.io/scheme': scheme,
  } = annotations;
  // The sidecar's own port speaks plain HTTP, whatever the application does.
  if (scheme !== undefined) merged['prometheus.io/scheme'] = 'http';
  if (scrape === undefined && port === undefined && path === undefined) {
    return { annotations: merged, appScrape: undefined };
  }
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) {
    warnings.push(
      `annotation prometheus.io/port: ${JSON.stringify(port)} is not a port; metrics are not merged`,
    );
    return { annotations, appScrape: undefined };
  }
  return {
    annotations: merged,
    appScrape: {
      scrape: scrape ?? 'true',
      path: path ?? '/metrics',
      port: port ?? '',
      ...(scheme === undefined ? {} : { scheme }),
    },
  };
}
