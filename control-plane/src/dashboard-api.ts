/**
 * What heddled tells its dashboard, as JSON. Types alone, without imports, so that a browser's program may use them.
 *
 * Units: rates are per second, over the last ten seconds; ratios 0..1; durations ms. null: there was nothing to measure.
 */

/** The golden signals of some calls. */
export interface Figures {
  /** Requests and failures as the proxies' counters stand. */
  readonly requests: number;
  readonly failed: number;
  readonly rate: number;
  readonly failedRate: number;
  readonly successRatio: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  /** TCP connections opened, as the counters stand, and bytes in both directions. */
  readonly connections: number;
  readonly bytesRate: number;
}

export type Health = 'good' | 'warning' | 'bad' | 'idle';

/** `mixed`: some calls are secured and some are not; `unknown`: nobody could tell yet. */
export type EdgeSecurity = 'mutual-tls' | 'mixed' | 'plaintext' | 'unknown';

export interface VersionFigures extends Figures {
  readonly version: string;
  readonly workload: string;
  /** Of the calls of its service now. */
  readonly share: number | null;
  readonly endpoints: number;
  readonly healthyEndpoints: number;
}

export interface GraphNode {
  readonly id: string;
  readonly kind: 'service' | 'gateway' | 'external' | 'outside';
  readonly namespace: string;
  readonly name: string;
  /** Of calls to it; of a gateway of calls by it. */
  readonly figures: Figures;
  readonly versions: readonly VersionFigures[];
  readonly endpoints: number;
  readonly healthyEndpoints: number;
  readonly health: Health;
  /** Why it is not good. */
  readonly reasons: readonly string[];
}

export interface GraphEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly figures: Figures;
  readonly security: EdgeSecurity;
  readonly health: Health;
}

export interface GraphView {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** Nodes or edges that were left out, because there are too many. */
  readonly leftOut: number;
}

/** Columns over time, the oldest first. */
export interface History {
  readonly stepMs: number;
  readonly endMs: number;
  readonly rate: readonly number[];
  readonly failedRate: readonly number[];
  readonly p50Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
}

export interface ServiceView {
  readonly node: GraphNode;
  readonly host: string;
  readonly ports: readonly { readonly number: number; readonly name: string; readonly protocol: string }[];
  readonly history: readonly { readonly version: string; readonly recent: History; readonly long: History }[];
  readonly callers: readonly GraphEdge[];
  readonly callees: readonly GraphEdge[];
  readonly endpoints: readonly EndpointView[];
  /** What proxies say of their clusters for this service, where there is trouble. */
  readonly trouble: readonly TroubleView[];
  /** Retries by callers since their start. */
  readonly retries: number;
  /** Resources that are about this service. */
  readonly resources: readonly ResourceSummary[];
}

export interface EndpointView {
  readonly address: string;
  readonly workload: string;
  readonly version: string;
  readonly health: 'healthy' | 'unhealthy' | 'draining';
  readonly mtls: boolean;
}

export interface TroubleView {
  /** The proxy that tells. */
  readonly proxy: string;
  readonly subset: string;
  readonly port: number;
  readonly retries: number;
  readonly openBreakers: readonly string[];
  readonly ejected: number;
}

export interface ResourceSummary {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly errors: number;
  readonly warnings: number;
}

export interface ProblemView {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly resource?: string;
  readonly field: string;
  readonly message: string;
  readonly expected?: string;
  readonly suggestion?: string;
}

export interface ResourcesView {
  readonly resources: readonly ResourceSummary[];
  readonly problems: readonly ProblemView[];
  readonly leftOut: number;
}

export interface ProxyView {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly role: string;
  readonly workload: string;
  readonly version: string;
  readonly protocol: string;
  readonly identity: string | null;
  readonly connectedAtMs: number;
  readonly state: 'synced' | 'sent' | 'pending' | 'nacked' | 'never-sent';
  readonly types: readonly {
    readonly type: string;
    readonly state: string;
    readonly resources: number;
    readonly nack: string | null;
  }[];
  /** Why its metrics cannot be read; null: they can, or nobody asked. */
  readonly unread: string | null;
  readonly measured: boolean;
}

export interface ProxiesView {
  readonly proxies: readonly ProxyView[];
  readonly leftOut: number;
}

/** One version in a canary, since its step is in force everywhere. */
export interface CanaryVersionFigures {
  readonly name: string;
  readonly requests: number;
  readonly failed: number;
  readonly successRatio: number | null;
  readonly quantileMs: number | null;
}

export interface CanaryView {
  readonly namespace: string;
  readonly name: string;
  readonly host: string;
  /** Of its service in the graph. */
  readonly service: string | null;
  readonly run: number;
  readonly phase: 'waiting' | 'applying' | 'observing' | 'paused' | 'promoted' | 'rolled-back' | 'aborted';
  readonly reason: string;
  /** Counts from 1. */
  readonly step: number;
  /** Percent of the calls, by step. */
  readonly steps: readonly number[];
  readonly weight: number;
  readonly canary: CanaryVersionFigures;
  readonly stable: CanaryVersionFigures;
  /** Share of the calls that the canary got; null: nothing was counted yet. */
  readonly observedShare: number | null;
  readonly minRequests: number;
  readonly countedMs: number;
  readonly intervalMs: number;
  /** Percent. */
  readonly quantile: number;
  readonly bounds: readonly string[];
  readonly runSinceMs: number;
  readonly phaseSinceMs: number;
  readonly events: readonly {
    readonly atMs: number;
    readonly phase: string;
    readonly weight: number;
    readonly text: string;
  }[];
}

export interface CanariesView {
  readonly canaries: readonly CanaryView[];
  readonly leftOut: number;
}

/** The line at the top of every page. */
export interface StatusView {
  readonly version: string;
  readonly revision: number;
  readonly nowMs: number;
  readonly services: number;
  readonly proxies: number;
  readonly outOfSync: number;
  /** Canaries under way. */
  readonly canaries: number;
  readonly resources: number;
  readonly errors: number;
  readonly warnings: number;
}
