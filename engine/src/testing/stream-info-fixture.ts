import type { StreamInfo } from '../http/stream-info.js';

/** A stream of which nothing is known yet; tests fill in what they are about. */
export function emptyStreamInfo(): StreamInfo {
  return {
    startTimeMs: Date.UTC(2026, 10, 21, 8, 5, 9, 7),
    protocol: undefined,
    request: undefined,
    response: undefined,
    responseTrailers: undefined,
    originalPath: undefined,
    responseCode: 0,
    responseFlags: [],
    codeDetails: '',
    reason: '',
    bytesReceived: 0,
    bytesSent: 0,
    upstreamBytesReceived: 0,
    upstreamBytesSent: 0,
    durationMs: 0,
    requestDurationMs: undefined,
    responseDurationMs: undefined,
    upstreamServiceTimeMs: undefined,
    attemptCount: 0,
    routeName: '',
    virtualHostName: '',
    clusterName: '',
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamTransportFailureReason: '',
    downstreamRemoteAddress: '',
    downstreamDirectRemoteAddress: '',
    downstreamLocalAddress: '',
    requestedServerName: '',
    connectionId: 0,
    requestId: '',
    upstreamProtocol: '',
  };
}
