import { systemClock, type Clock } from './clock.js';
import { logRecordLine, type LogFields } from './log-record.js';

/** From the most talkative to silence. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where lines go: one call for each line, which ends in a newline. */
export interface LogSink {
  write(line: string): unknown;
}

export interface LoggerOptions {
  /** The part of Heddle that speaks, such as `xds.ads-stream`. */
  readonly component: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Default: standard error. */
  readonly sink?: LogSink;
  readonly clock?: Clock;
  /** Longest line in characters. Default 8192. */
  readonly maxLineLength?: number;
  /** Fields of every line. */
  readonly fields?: LogFields;
}

/** Either the fields, or a function that makes them only when the line is written. */
export type LogFieldSource = LogFields | (() => LogFields);

interface Output {
  threshold: number;
  readonly sink: LogSink;
  readonly clock: Clock;
  readonly maxLineLength: number;
  lost: number;
}

/**
 * Writes one JSON object a line.
 *
 * Shape: the message is a constant, lower-case phrase; everything that varies goes into fields.
 * Errors: none. A sink that throws loses the line, which is counted in `lostLines`.
 * Cost: one comparison when the level is off. Where making the fields costs something, pass a function.
 */
export class Logger {
  readonly component: string;
  readonly #output: Output;
  readonly #fields: LogFields | undefined;

  constructor(options: LoggerOptions, output?: Output) {
    this.component = options.component;
    this.#fields = options.fields;
    this.#output = output ?? {
      threshold: LOG_LEVELS.indexOf(options.level ?? 'info'),
      sink: options.sink ?? process.stderr,
      clock: options.clock ?? systemClock,
      maxLineLength: Math.max(256, options.maxLineLength ?? 8192),
      lost: 0,
    };
  }

  /** A logger for a smaller part, sharing level and sink with this one and adding its own fields. */
  child(component: string, fields?: LogFields): Logger {
    return new Logger({ component, fields: { ...this.#fields, ...fields } }, this.#output);
  }

  /** The level of this logger and of all that share its output. */
  get level(): LogLevel {
    return LOG_LEVELS[this.#output.threshold] as LogLevel;
  }

  set level(level: LogLevel) {
    this.#output.threshold = LOG_LEVELS.indexOf(level);
  }

  /** Lines that the sink refused. */
  get lostLines(): number {
    return this.#output.lost;
  }

  isEnabled(level: Exclude<LogLevel, 'off'>): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#output.threshold;
  }

  trace(message: string, fields?: LogFieldSource): void {
    if (this.#output.threshold <= 0) this.#write('trace', message, fields);
  }

  debug(message: string, fields?: LogFieldSource): void {
    if (this.#output.threshold <= 1) this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFieldSource): void {
    if (this.#output.threshold <= 2) this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFieldSource): void {
    if (this.#output.threshold <= 3) this.#write('warn', message, fields);
  }

  error(message: string, fields?: LogFieldSource): void {
    if (this.#output.threshold <= 4) this.#write('error', message, fields);
  }

  #write(level: LogLevel, message: string, source: LogFieldSource | undefined): void {
    const output = this.#output;
    try {
      const head = {
        time: new Date(output.clock.nowMs()).toISOString(),
        level,
        component: this.component,
        message,
      };
      const fields = typeof source === 'function' ? source() : source;
      output.sink.write(logRecordLine(head, [this.#fields, fields], output.maxLineLength));
    } catch {
      output.lost++;
    }
  }
}

/** The logger that the options describe. */
export function createLogger(options: LoggerOptions): Logger {
  return new Logger(options);
}

/** A logger that says nothing, for tests and optional parameters. */
export const silentLogger: Logger = new Logger({
  component: 'silent',
  level: 'off',
  sink: { write: () => undefined },
});

/** Whether a text, such as one from a command line, names a level. */
export function isLogLevel(text: string): text is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(text);
}
