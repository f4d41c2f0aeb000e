import {
  compileAccessLog,
  compileAccessLogFilter,
  LineBytes,
  type AccessLogConfig,
  type FormatContext,
  type StreamInfo,
  type WriteEntry,
} from '@heddle/engine';
import type { AccessLogFiles, LineWriter } from './access-log-files.js';

/** What every line of this thread is put together in. */
const line = new LineBytes();

/** One configured access log, compiled: filter, format, and where lines go. */
export class AccessLog {
  readonly #write: WriteEntry;
  /** Undefined when everything is logged. */
  readonly #filter: ((info: StreamInfo) => boolean) | undefined;
  readonly #writer: LineWriter;

  constructor(write: WriteEntry, filter: ((info: StreamInfo) => boolean) | undefined, writer: LineWriter) {
    this.#write = write;
    this.#filter = filter;
    this.#writer = writer;
  }

  log(info: StreamInfo): void {
    if (this.#filter !== undefined && !this.#filter(info)) return;
    line.clear();
    this.#write(info, line);
    this.#writer.write(line);
  }
}

/** Makes the logs of one owner. A format that does not compile, which translation refuses, makes no log. */
export function createAccessLogs(
  configs: readonly AccessLogConfig[],
  files: AccessLogFiles,
  context: FormatContext,
): readonly AccessLog[] {
  return configs.flatMap((config) => {
    const compiled = compileAccessLog(config.format, context);
    if ('problem' in compiled) return [];
    const { sink } = config;
    const writer = files.file(sink.kind === 'file' ? sink.path : `/dev/${sink.kind}`);
    const filter = config.filter === undefined ? undefined : compileAccessLogFilter(config.filter);
    return [new AccessLog(compiled.write, filter, writer)];
  });
}
