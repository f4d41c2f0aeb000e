import {
  type AccessLogFormat,
  compileAccessLog,
  HeaderMap,
  LineBytes,
  type StreamInfo,
} from '@heddle/engine';
import { ACCESS_LOG_FIELDS } from '../../subjects/envoy-bootstrap.js';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

/** Writing the line of one finished request. */
export const accessLog: readonly MicroCase[] = [
  accessLogCase('JSON, the 18 fields of the load comparison', {
    kind: 'json',
    fields: ACCESS_LOG_FIELDS,
    omitEmptyValues: false,
  }),
  accessLogCase('the default line', { kind: 'default' }),
];

function accessLogCase(what: string, format: AccessLogFormat): MicroCase {
  return {
    name: `access log: ${what}`,
    create() {
      const compiled = compileAccessLog(format);
      if ('problem' in compiled) throw new Error(compiled.problem);
      // Wall-clock milliseconds move on, as they do in life, so that no cached start time flatters the figure.
      const infos = Array.from({ length: 1_000 }, (_, index) => exampleInfo(1_790_000_000_000 + index * 7));
      const line = new LineBytes();
      return (count) => {
        let length = 0;
        for (let i = 0; i < count; i++) {
          line.clear();
          compiled.write(infos[i % infos.length] as StreamInfo, line);
          length += line.length;
        }
        return length;
      };
    },
  };
}

function exampleInfo(startTimeMs: number): StreamInfo {
  return {
    startTimeMs,
    protocol: 'HTTP/1.1',
    request: exampleHead('service-7.example', '/api/resource-7/items/1k'),
    response: { status: 200, headers: new HeaderMap(), upgrade: '' },
    responseTrailers: undefined,
    originalPath: undefined,
    responseCode: 200,
    responseFlags: [],
    connectionTerminationDetails: '',
    codeDetails: 'via_upstream',
    reason: '',
    bytesReceived: 0,
    bytesSent: 1_024,
    upstreamBytesReceived: 1_200,
    upstreamBytesSent: 400,
    durationMs: 2.4,
    requestDurationMs: 0.1,
    responseDurationMs: 2.1,
    upstreamServiceTimeMs: 2,
    attemptCount: 1,
    routeName: 'route-7',
    virtualHostName: 'service-7.example',
    clusterName: 'cluster-7',
    upstreamHost: '127.0.0.1:9080',
    upstreamLocalAddress: '127.0.0.1:40404',
    upstreamTransportFailureReason: '',
    downstreamRemoteAddress: '203.0.113.7:50505',
    downstreamDirectRemoteAddress: '127.0.0.1:50505',
    downstreamLocalAddress: '127.0.0.1:15006',
    requestedServerName: '',
    connectionId: 12,
    requestId: '3f8e0f64-8c0e-4f7e-9a51-3f3bb53d8a17',
    upstreamProtocol: 'HTTP/1.1',
    downstreamTls: undefined,
    upstreamTls: undefined,
    dynamicMetadata: undefined,
  };
}
