export { ClientCodecHttp1, type ClientCodecOptions } from './codec/http1/client-codec.js';
export { Deadlines } from './codec/http1/deadline-queue.js';
export { ServerCodecHttp1, type ServerCodecOptions } from './codec/http1/server-codec.js';

export { BootstrapError, formatBootstrapProblem, loadBootstrap, type BootstrapConfig } from './bootstrap.js';
export { parseCommandLine, type CommandLine } from './bootstrap/command-line.js';
export { Server, StartError, type ReadySummary, type ServerOptions } from './server.js';
export { FilterChain, type FilterChainOwner, type NamedFilterFactory } from './http/filter-chain.js';
export { FilterStatus, type StreamFilter, type TerminalFilter } from './http/filter.js';
