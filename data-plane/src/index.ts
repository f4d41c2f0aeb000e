export { ClientCodecHttp1, type ClientCodecOptions } from './codec/http1/client-codec.js';
export { Deadlines } from './codec/http1/deadline-queue.js';
export { ServerCodecHttp1, type ServerCodecOptions } from './codec/http1/server-codec.js';

export { BootstrapError, formatBootstrapProblem, loadBootstrap, type BootstrapConfig } from './bootstrap.js';
export { parseCommandLine, type CommandLine } from './bootstrap/command-line.js';
export { Server, StartError, type ReadySummary, type ServerOptions } from './server.js';
export { FilterChain, type FilterChainOwner, type NamedFilterFactory } from './http/filter-chain.js';
export { FilterStatus, type StreamFilter, type TerminalFilter } from './http/filter.js';
export type { ObserverContext, StreamObserver } from './http/filter.js';
export { IstioStatsObserver } from './http/filters/istio-stats/istio-stats-observer.js';
export { PeerMetadataObserver } from './http/filters/peer-metadata/peer-metadata-observer.js';
export { StreamState, type ConnectionInfo } from './http/stream-state.js';
export { IstioTelemetry } from './stats/istio/istio-telemetry.js';
export { LabelledMetrics } from './stats/istio/labelled-metrics.js';
export { StatsStore } from './stats/stats-store.js';
