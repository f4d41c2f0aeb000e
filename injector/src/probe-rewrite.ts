import { type Container, type Probe } from './kubernetes-pod.js';
import { SIDECAR_PORTS } from './sidecar-names.js';

const KINDS = [
  { field: 'livenessProbe', path: 'livez' },
  { field: 'readinessProbe', path: 'readyz' },
  { field: 'startupProbe', path: 'startupz' },
] as const;

/**
 * An original probe, as the sidecar is told it: one of Kubernetes' three network probes and its timeout. What the probe
 * leaves out has Kubernetes' default, so that a manifest gives the same as a pod which the API server has completed.
 */
export type AppProbe = Pick<Probe, 'httpGet' | 'tcpSocket' | 'grpc'> & { readonly timeoutSeconds: number };

export interface RewrittenProbes {
  readonly containers: readonly Container[];
  /** By the path that the kubelet now asks for. */
  readonly appProbes: Readonly<Record<string, AppProbe>>;
}

/**
 * Leads the kubelet's HTTP, TCP and gRPC probes through the sidecar's port 15020, for the kubelet speaks no mTLS and is
 * no workload. Everything else of a probe stays: its times and thresholds.
 *
 * Source: Istio's `/app-health/CONTAINER/livez|readyz|startupz`.
 * Errors: none; what cannot be led there stays as it is, with a warning.
 */
export function rewriteProbes(
  containers: readonly Container[],
  allContainers: readonly Container[],
  warnings: string[],
): RewrittenProbes {
  const appProbes: Record<string, AppProbe> = {};
  const rewritten = containers.map((container) => {
    const changes: Record<string, Probe> = {};
    for (const { field, path } of KINDS) {
      const probe = container[field];
      const original = probe && networkAction(probe);
      if (probe === undefined || probe === null || original === undefined) continue;
      const where = `container ${container.name}: ${field}`;
      if (original.host !== undefined && original.host !== '') {
        warnings.push(`${where} names a host, ${original.host}, and stays as it is`);
        continue;
      }
      const port = portNumber(original.port, container, allContainers);
      if (port === undefined) {
        warnings.push(
          `${where}: no container port is named ${JSON.stringify(original.port)}; it stays as it is`,
        );
        continue;
      }
      const fullPath = `/app-health/${container.name}/${path}`;
      appProbes[fullPath] = originalProbe(probe, port);
      changes[field] = sidecarProbe(probe, fullPath);
    }
    return Object.keys(changes).length === 0 ? container : { ...container, ...changes };
  });
  return { containers: rewritten, appProbes };
}

function networkAction(
  probe: Probe,
): { readonly port: number | string; readonly host?: string | undefined } | undefined {
  return probe.httpGet ?? probe.tcpSocket ?? probe.grpc ?? undefined;
}

function originalProbe({ httpGet, tcpSocket, grpc, timeoutSeconds }: Probe, port: number): AppProbe {
  return {
    ...(httpGet ? { httpGet: originalGet(httpGet, port) } : {}),
    ...(tcpSocket ? { tcpSocket: { port } } : {}),
    ...(grpc ? { grpc: { port, service: grpc.service ?? '' } } : {}),
    timeoutSeconds: timeoutSeconds || 1,
  };
}

function originalGet(
  { path, scheme, httpHeaders }: NonNullable<Probe['httpGet']>,
  port: number,
): NonNullable<Probe['httpGet']> {
  const headers = Array.isArray(httpHeaders) && httpHeaders.length > 0 ? { httpHeaders } : {};
  return { path: path || '/', port, scheme: scheme || 'HTTP', ...headers };
}

/** Headers are the sidecar's to send, to the application; a `Host` among them is not the sidecar's own. */
function sidecarProbe(probe: Probe, path: string): Probe {
  const { httpGet: _httpGet, tcpSocket: _tcpSocket, grpc: _grpc, ...rest } = probe;
  return { ...rest, httpGet: { path, port: SIDECAR_PORTS.status } };
}

function portNumber(
  port: number | string,
  container: Container,
  allContainers: readonly Container[],
): number | undefined {
  if (typeof port === 'number') return port;
  // "8080" in quotes is a number to Kubernetes, too.
  if (/^\d{1,5}$/.test(port)) return Number(port);
  for (const candidate of [container, ...allContainers]) {
    const found = (candidate.ports ?? []).find(({ name }) => name === port);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

/** Handlers that the kubelet calls over HTTP, which no sidecar answers for. */
export function warnAboutLifecycle(containers: readonly Container[], warnings: string[]): void {
  for (const { name, lifecycle } of containers) {
    for (const handler of ['postStart', 'preStop'] as const) {
      if (lifecycle?.[handler]?.['httpGet'] === undefined) continue;
      warnings.push(
        `container ${name}: lifecycle.${handler}.httpGet is called by the kubelet without mTLS: use exec, or exclude its port`,
      );
    }
  }
}
