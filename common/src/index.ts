export { Backoff, type BackoffOptions } from './backoff.js';
export { FakeClock, systemClock, type Clock, type Timer } from './clock.js';
export { formatDurationMs, formatProtoDurationMs, parseDurationMs } from './duration.js';
export {
  BrokenInvariantError,
  MeshError,
  describeError,
  invariant,
  isMeshError,
  type MeshErrorCode,
} from './errors.js';
export { type LogFields } from './log-record.js';
export {
  LOG_LEVELS,
  Logger,
  createLogger,
  isLogLevel,
  silentLogger,
  type LogFieldSource,
  type LogLevel,
  type LogSink,
  type LoggerOptions,
} from './log.js';
export { createSeededRandom, systemRandom, type Random } from './random.js';
export { closestName, editDistance } from './suggestion.js';
