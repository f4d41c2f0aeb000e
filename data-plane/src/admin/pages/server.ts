import type { LogLevel, Logger } from '@heddle/common';
import { envoy, toJson } from '@heddle/xds-protos';
import { logLevelOf } from '../../bootstrap/command-line.js';
import { json, text, type AdminPage } from '../admin-page.js';

/** Envoy's names of a server's states. */
export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

/** What the pages may do to the process. */
export interface ServerControl {
  readonly state: () => ServerState;
  readonly drainListeners: (options: { readonly inboundOnly: boolean }) => void;
  readonly quit: () => void;
  readonly failHealthCheck: (failed: boolean) => void;
  readonly resetCounters: () => void;
  readonly reopenLogs: () => void;
  /** The level of this process's logs has changed. */
  readonly onLogLevel?: (level: LogLevel) => void;
}

export interface ServerPagesOptions {
  readonly control: ServerControl;
  readonly log: Logger;
  readonly version: string;
  readonly node: envoy.config.core.v3.Node;
  readonly uptimeMs: () => number;
  readonly commandLineOptions: envoy.admin.v3.ICommandLineOptions;
}

/** The pages about the process itself. */
export function serverPages(options: ServerPagesOptions): readonly AdminPage[] {
  const { control, log } = options;
  return [
    {
      path: '/ready',
      description: 'print server state, return 200 if LIVE, otherwise return 503',
      respond: () => {
        const state = control.state();
        return text(`${state}\n`, state === 'LIVE' ? 200 : 503);
      },
    },
    {
      path: '/server_info',
      description: 'print server version/status information',
      respond: () => {
        const uptime = duration(options.uptimeMs());
        const state = control.state();
        const info = toJson(envoy.admin.v3.ServerInfo, {
          version: options.version,
          state: envoy.admin.v3.ServerInfo.State[state],
          uptimeCurrentEpoch: uptime,
          uptimeAllEpochs: uptime,
          commandLineOptions: options.commandLineOptions,
          node: options.node,
        });
        // LIVE is 0, which ProtoJSON leaves out and Envoy prints.
        return json({ ...(info as object), state });
      },
    },
    {
      path: '/memory',
      description: 'print current allocation/heap usage',
      respond: () => {
        const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
        return json({
          allocated: String(heapUsed + external),
          heap_size: String(heapTotal),
          total_physical_bytes: String(rss),
          array_buffers: String(arrayBuffers),
        });
      },
    },
    {
      path: '/logging',
      description: 'query/change logging levels',
      parameters: { level: 'trace, debug, info, warning, error, critical or off' },
      mutates: true,
      respond: ({ query }) => {
        const wanted = query.get('level');
        if (wanted !== null && wanted !== '') {
          const level = logLevelOf(wanted);
          if (level === undefined) return text('error: unknown logger level\n', 400);
          log.level = level;
          control.onLogLevel?.(level);
        } else if ([...query.keys()].length > 0) {
          return text('usage: /logging?level=<level>: loggers have one level together\n', 400);
        }
        return text(`active loggers:\n  all: ${log.level}\n`);
      },
    },
    {
      path: '/drain_listeners',
      description: 'drain listeners',
      parameters: {
        graceful: 'Accepted: draining always lets what is in flight finish',
        inboundonly: 'Only inbound listeners',
      },
      mutates: true,
      respond: ({ query }) => {
        control.drainListeners({ inboundOnly: query.has('inboundonly') });
        return text('OK\n');
      },
    },
    mutation('/quitquitquit', 'exit the server', control.quit),
    mutation('/healthcheck/fail', 'cause the server to fail health checks', () =>
      control.failHealthCheck(true),
    ),
    mutation('/healthcheck/ok', 'cause the server to pass health checks', () =>
      control.failHealthCheck(false),
    ),
    mutation('/reset_counters', 'reset all counters to zero', control.resetCounters),
    mutation('/reopen_logs', 'reopen access logs', control.reopenLogs),
  ];
}

function mutation(path: string, description: string, act: () => void): AdminPage {
  return {
    path,
    description,
    mutates: true,
    respond: () => {
      act();
      return text('OK\n');
    },
  };
}

function duration(ms: number): { seconds: number; nanos: number } {
  return { seconds: Math.floor(ms / 1000), nanos: 0 };
}
