import type { envoy } from '@heddle/xds-protos';
import { DEFAULT_HTTP2_CONFIG, type Http2Config } from '../config/http2-config.js';
import type { Findings } from './findings.js';
import { durationMs, wrappedNumber } from './proto-values.js';

const MAX_STREAMS = 2 ** 31 - 1;
const LEAST_WINDOW = 65_535;

/** Source: envoy.config.core.v3.Http2ProtocolOptions. */
export function translateHttp2Options(
  options: envoy.config.core.v3.Http2ProtocolOptions | null,
  path: string,
  findings: Findings,
): Http2Config {
  if (options === null) return DEFAULT_HTTP2_CONFIG;
  const unset = DEFAULT_HTTP2_CONFIG;
  const number = (
    wrapper: Parameters<typeof wrappedNumber>[0],
    otherwise: number,
    field: string,
    least = 0,
    most = MAX_STREAMS,
  ): number => wrappedNumber(wrapper, otherwise, `${path}.${field}`, findings, least, most);
  const keepalive = options.connectionKeepalive;
  const inKeepalive = `${path}.connection_keepalive`;
  findings.unsupported(`${path}.allow_metadata`, options.allowMetadata, 'warning');
  findings.unsupported(
    `${path}.custom_settings_parameters`,
    options.customSettingsParameters.length > 0,
    'warning',
  );
  if (keepalive !== null && keepalive.timeout === null) {
    findings.problem(`${inKeepalive}.timeout`, 'must be set');
  }
  return {
    maxConcurrentStreams: number(
      options.maxConcurrentStreams,
      unset.maxConcurrentStreams,
      'max_concurrent_streams',
      1,
    ),
    initialStreamWindowBytes: number(
      options.initialStreamWindowSize,
      unset.initialStreamWindowBytes,
      'initial_stream_window_size',
      LEAST_WINDOW,
    ),
    initialConnectionWindowBytes: number(
      options.initialConnectionWindowSize,
      unset.initialConnectionWindowBytes,
      'initial_connection_window_size',
      LEAST_WINDOW,
    ),
    hpackTableBytes: number(options.hpackTableSize, unset.hpackTableBytes, 'hpack_table_size', 0, 65_536),
    allowConnect: options.allowConnect,
    maxOutboundFrames: number(options.maxOutboundFrames, unset.maxOutboundFrames, 'max_outbound_frames', 1),
    maxOutboundControlFrames: number(
      options.maxOutboundControlFrames,
      unset.maxOutboundControlFrames,
      'max_outbound_control_frames',
      1,
    ),
    maxConsecutiveInboundEmptyFrames: number(
      options.maxConsecutiveInboundFramesWithEmptyPayload,
      unset.maxConsecutiveInboundEmptyFrames,
      'max_consecutive_inbound_frames_with_empty_payload',
    ),
    maxInboundPriorityFramesPerStream: number(
      options.maxInboundPriorityFramesPerStream,
      unset.maxInboundPriorityFramesPerStream,
      'max_inbound_priority_frames_per_stream',
    ),
    maxInboundWindowUpdatesPerDataFrameSent: number(
      options.maxInboundWindowUpdateFramesPerDataFrameSent,
      unset.maxInboundWindowUpdatesPerDataFrameSent,
      'max_inbound_window_update_frames_per_data_frame_sent',
      1,
    ),
    keepaliveIntervalMs: durationMs(keepalive?.interval ?? null, 0, `${inKeepalive}.interval`, findings),
    keepaliveTimeoutMs: durationMs(keepalive?.timeout ?? null, 0, `${inKeepalive}.timeout`, findings),
    keepaliveJitterRatio: (keepalive?.intervalJitter?.value ?? 100 * unset.keepaliveJitterRatio) / 100,
    keepaliveIdleMs: durationMs(
      keepalive?.connectionIdleInterval ?? null,
      0,
      `${inKeepalive}.connection_idle_interval`,
      findings,
    ),
    mostHeldBytes: unset.mostHeldBytes,
    judgedStreams: unset.judgedStreams,
    prematureResetMs: unset.prematureResetMs,
  };
}
