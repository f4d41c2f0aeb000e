import type { FuzzTarget } from './fuzz-target.js';
import { certificateTargets } from './targets/certificates.js';
import { configTargets } from './targets/config.js';
import { dnsTargets } from './targets/dns.js';
import { firstBytesTargets } from './targets/first-bytes.js';
import { grpcWebTargets } from './targets/grpc-web.js';
import { http1Targets } from './targets/http1.js';
import { http2Targets } from './targets/http2.js';
import { protobufTargets } from './targets/protobuf.js';
import { requestFactTargets } from './targets/request-facts.js';

/** Every parser of bytes that come from somebody else. */
export const ALL_TARGETS: readonly FuzzTarget[] = [
  ...http1Targets,
  ...http2Targets,
  ...grpcWebTargets,
  ...firstBytesTargets,
  ...certificateTargets,
  ...dnsTargets,
  ...protobufTargets,
  ...configTargets,
  ...requestFactTargets,
];
