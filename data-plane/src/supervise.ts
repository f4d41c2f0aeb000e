import { fileURLToPath } from 'node:url';
import { createLogger, systemClock, systemRandom } from '@heddle/common';
import { ListeningSockets, SupervisedProcess, proxyEnvironment, proxyNodeFlags } from '@heddle/supervisor';
import { parseCommandLine } from './bootstrap/command-line.js';

const READY_WITHIN_MS = 60_000;
/** The proxy ends its drain by itself, at the latest after --drain-time-s; this is for one that hangs. */
const GRACE_AFTER_DRAIN_MS = 10_000;
const DEFAULT_DRAIN_MS = 25_000;
/** Bad configuration and bad usage, as run-proxy.ts has them. */
const BAD_START = /^exit code (1|64)$/;

/**
 * `heddle-proxy --supervise`: a small process that holds the listening sockets and keeps a proxy running on them.
 *
 * A connection that arrives while the proxy is started again waits instead of being refused. SIGHUP starts a new proxy
 * beside the running one, from the files as they are now, and ends the old one when the new one is ready; SIGTERM ends
 * both. SIGUSR1 is passed on: logs are opened anew.
 */
export async function supervise(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const parsed = parseCommandLine(args);
  if (parsed.kind !== 'run' || parsed.commandLine.mode === 'validate') {
    await (await import('./run-proxy.js')).runProxy(args);
    return;
  }
  const log = createLogger({ component: 'supervisor', level: parsed.commandLine.logLevel });
  const graceMs = (parsed.commandLine.drainTimeMs ?? DEFAULT_DRAIN_MS) + GRACE_AFTER_DRAIN_MS;
  let wasReady = false;
  const sockets = new ListeningSockets();
  const proxy = new SupervisedProcess({
    name: 'heddle-proxy',
    command: process.execPath,
    args: [
      ...proxyNodeFlags(environment, process.execArgv),
      ...process.execArgv,
      fileURLToPath(new URL('./main.js', import.meta.url)),
      ...args.filter((arg) => arg !== '--supervise'),
    ],
    workingDirectory: process.cwd(),
    environment: proxyEnvironment(environment, parsed.commandLine.concurrency),
    clock: systemClock,
    random: systemRandom,
    sockets,
    onStart: () => log.info('proxy started', { pid: proxy.pid }),
    onReady: () => (wasReady = true),
    onCrash: ({ how, restartInMs }) => {
      // A bootstrap that cannot run does not get better by trying again.
      const refused = wasReady ? null : BAD_START.exec(how);
      if (refused !== null) process.exit(Number(refused[1]));
      log.error('proxy ended', { how, restartInMs });
    },
  });
  const end = (): void => {
    void proxy.stop(graceMs).then(() => {
      sockets.close();
      process.exit(0);
    });
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  process.on('SIGUSR1', () => {
    if (proxy.pid !== undefined) process.kill(proxy.pid, 'SIGUSR1');
  });
  process.on('SIGHUP', () => {
    log.info('proxy is being replaced', { pid: proxy.pid });
    void proxy.replace(READY_WITHIN_MS, graceMs).then((failure) => {
      if (failure === undefined) log.info('proxy replaced', { pid: proxy.pid });
      else log.error('proxy not replaced: the running one goes on', { reason: failure });
    });
  });
  proxy.start();
}
