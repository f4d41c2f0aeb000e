import type { ConformanceSuite } from './conformance-suite.js';
import { paths } from './suites/01-paths.js';
import { hosts } from './suites/02-hosts.js';
import { matchers } from './suites/03-matchers.js';
import { weights } from './suites/04-weights.js';
import { rewrites } from './suites/05-rewrites.js';
import { redirects } from './suites/06-redirects.js';
import { directResponses } from './suites/07-direct-responses.js';
import { headers } from './suites/08-headers.js';
import { failures } from './suites/09-failures.js';
import { circuitBreakers } from './suites/10-circuit-breakers.js';
import { loadBalancing } from './suites/11-load-balancing.js';
import { tcpProxy } from './suites/12-tcp-proxy.js';
import { pathsNormalised } from './suites/13-paths-normalised.js';
import { forwarded } from './suites/14-forwarded.js';
import { serverAndVia } from './suites/15-server-and-via.js';
import { upgrades } from './suites/16-upgrades.js';
import { limits } from './suites/17-limits.js';
import { messages } from './suites/18-messages.js';
import { accessLogs } from './suites/19-access-logs.js';
import { listeners } from './suites/20-listeners.js';
import { malformed } from './suites/21-malformed.js';
import { retries } from './suites/22-retries.js';
import { outlierDetection } from './suites/23-outlier-detection.js';
import { healthChecks } from './suites/24-health-checks.js';
import { hashing } from './suites/25-hashing.js';
import { faults } from './suites/26-faults.js';
import { priorities } from './suites/27-priorities.js';
import { limitsOfTimeAndNumber } from './suites/28-limits-of-time-and-number.js';
import { rateLimits } from './suites/29-rate-limits.js';
import { jwt } from './suites/30-jwt.js';
import { rbacHttp } from './suites/31-rbac-http.js';
import { rbacTcp } from './suites/32-rbac-tcp.js';
import { overload } from './suites/33-overload.js';
import { grpcTimeouts } from './suites/34-grpc-timeouts.js';
import { internalRequests } from './suites/35-internal-requests.js';
import { proxyProtocol } from './suites/36-proxy-protocol.js';
import { upstreamProtocols } from './suites/40-upstream-protocols.js';
import { tunnels } from './suites/41-tunnels.js';
import { grpcWeb } from './suites/42-grpc-web.js';
import { endsOfConnections } from './suites/43-ends-of-connections.js';
import { filterChains } from './suites/45-filter-chains.js';
import { proxyProtocolOut } from './suites/46-proxy-protocol-out.js';
import { tcpAttempts } from './suites/47-tcp-attempts.js';
import { cors } from './suites/48-cors.js';

/** Every bootstrap file with its table, in the order of their numbers. */
export const ALL_SUITES: readonly ConformanceSuite[] = [
  paths,
  hosts,
  matchers,
  weights,
  rewrites,
  redirects,
  directResponses,
  headers,
  failures,
  circuitBreakers,
  loadBalancing,
  tcpProxy,
  pathsNormalised,
  forwarded,
  serverAndVia,
  upgrades,
  limits,
  messages,
  accessLogs,
  listeners,
  malformed,
  retries,
  outlierDetection,
  healthChecks,
  hashing,
  faults,
  priorities,
  limitsOfTimeAndNumber,
  rateLimits,
  jwt,
  rbacHttp,
  rbacTcp,
  overload,
  grpcTimeouts,
  internalRequests,
  proxyProtocol,
  upstreamProtocols,
  tunnels,
  grpcWeb,
  endsOfConnections,
  filterChains,
  proxyProtocolOut,
  tcpAttempts,
  cors,
];
