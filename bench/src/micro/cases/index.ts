import type { MicroCase } from '../micro-case.js';
import { accessLog } from './access-log.js';
import { calibration } from './calibration.js';
import { certificateSigning } from './certificate-signing.js';
import { codecHttp1 } from './codec-http1.js';
import { codecHttp2 } from './codec-http2.js';
import { filterChain } from './filter-chain.js';
import { istioMetrics } from './istio-metrics.js';
import { loadBalancer } from './load-balancer.js';
import { matcher } from './matcher.js';
import { rateLimit } from './rate-limit.js';
import { rbac } from './rbac.js';

/** Every micro-benchmark. */
export const MICRO_CASES: readonly MicroCase[] = [
  ...calibration,
  ...matcher,
  ...loadBalancer,
  ...filterChain,
  ...accessLog,
  ...istioMetrics,
  ...rbac,
  ...rateLimit,
  ...codecHttp1,
  ...codecHttp2,
  ...certificateSigning,
];
