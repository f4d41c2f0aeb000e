import type { Http2Config } from '../config/http2-config.js';
import type { RuntimeSettings } from '../config/runtime-config.js';

/** What HTTP/2 has no field of its own for in any configuration. Those that begin with `overload` are Envoy's. */
const KEYS = Object.freeze({
  mostHeldBytes: 'heddle.http2.most_held_bytes',
  judgedStreams: 'overload.premature_reset_total_stream_count',
  prematureSeconds: 'overload.premature_reset_min_stream_lifetime_seconds',
});

/** The settings of HTTP/2 as runtime settings would have them; the same object where there are none. */
export function http2WithRuntime(config: Http2Config, settings: RuntimeSettings): Http2Config {
  if (settings.isEmpty) return config;
  return {
    ...config,
    mostHeldBytes: settings.integer(KEYS.mostHeldBytes, config.mostHeldBytes),
    judgedStreams: Math.max(1, settings.integer(KEYS.judgedStreams, config.judgedStreams)),
    prematureResetMs: 1000 * settings.integer(KEYS.prematureSeconds, config.prematureResetMs / 1000),
  };
}
