import type { SupervisorLink } from '@heddle/supervisor/supervisor-link';
import { createLogger, describeError, isMeshError, systemClock, type Logger } from '@heddle/common';
import { parseCommandLine, USAGE, type CommandLine } from './bootstrap/command-line.js';
import { loadBootstrap, readBootstrapTexts, type BootstrapConfig, type ConfigText } from './bootstrap.js';
import { tuneCompiler } from './compiler-flags.js';
import { boundHeapGrowth, collectAfterLoading } from './heap-size.js';
import { Server } from './server.js';
import type { ServingThreads } from './server/thread-parts.js';
import { PRODUCT_NAME, VERSION } from './version.js';

const EXIT_BAD_CONFIG = 1;
const EXIT_BAD_USAGE = 64;
/** A broken invariant. Source: sysexits.h, EX_SOFTWARE. */
const EXIT_CRASH = 70;

/** Runs heddle-proxy from its arguments until a signal ends it; sets the exit status, and ends the process when serving. */
export async function runProxy(
  args: readonly string[],
  supervisorOf: () => SupervisorLink | undefined = () => undefined,
): Promise<void> {
  const parsed = parseCommandLine(args);
  switch (parsed.kind) {
    case 'help':
      process.stdout.write(USAGE);
      return;
    case 'version':
      process.stdout.write(`${PRODUCT_NAME} ${VERSION} (node ${process.versions.node})\n`);
      return;
    case 'problems':
      process.stderr.write(`${parsed.problems.join('\n')}\n--help tells what there is\n`);
      process.exitCode = EXIT_BAD_USAGE;
      return;
    case 'run':
  }
  const { commandLine } = parsed;
  let texts: readonly ConfigText[];
  let config: BootstrapConfig;
  try {
    texts = readBootstrapTexts(commandLine);
    config = await loadBootstrap(commandLine, undefined, texts);
  } catch (thrown) {
    if (!isMeshError(thrown)) throw thrown;
    process.stderr.write(`${thrown.message}\n`);
    process.exitCode = EXIT_BAD_CONFIG;
    return;
  }
  if (commandLine.mode === 'validate') {
    for (const warning of config.warnings) process.stderr.write(`warning: ${warning}\n`);
    const name = commandLine.configPath ?? 'configuration';
    process.stdout.write(`configuration '${name}' OK\n`);
    return;
  }
  // Not before: listening to the supervisor keeps a process from ending.
  const supervisor = supervisorOf();
  await serve(config, supervisor, (log) =>
    commandLine.concurrency === 1
      ? Promise.resolve(undefined)
      : createThreads(config, commandLine, texts, log, supervisor),
  );
}

/** Nothing of it is loaded for one worker, which is this thread itself. */
async function createThreads(
  config: BootstrapConfig,
  commandLine: CommandLine,
  texts: readonly ConfigText[],
  log: Logger,
  supervisor: SupervisorLink | undefined,
): Promise<ServingThreads> {
  const { Workers } = await import('./server/workers/workers.js');
  return new Workers({
    config,
    commandLine,
    texts,
    count: commandLine.concurrency,
    clock: systemClock,
    log: log.child('workers'),
    heldSockets: supervisor?.sockets,
    onCrash: (worker, error) => {
      log.error('broken invariant: the process ends', { kind: 'a worker thread ended', worker, error });
      process.exit(EXIT_CRASH);
    },
  });
}

async function serve(
  config: BootstrapConfig,
  supervisor: SupervisorLink | undefined,
  threadsOf: (log: Logger) => Promise<ServingThreads | undefined>,
): Promise<void> {
  tuneCompiler();
  boundHeapGrowth();
  const log = createLogger({ component: 'proxy', level: config.logLevel });
  crashOnBrokenInvariants(log);
  let ending = false;
  const end = (why: string): void => {
    if (ending) {
      log.warn('ending now', { why });
      process.exit(0);
    }
    ending = true;
    void drainAndExit(server, config, log, why);
  };
  if (supervisor !== undefined) process.on('disconnect', () => end('the supervisor is gone'));
  const threads = await threadsOf(log);
  const server = new Server({ config, log, supervisor, threads }, () => end('/quitquitquit'));
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.on('SIGHUP', () => server.reopenLogs());
  process.on('SIGUSR1', () => server.reopenLogs());
  try {
    await server.start();
  } catch (thrown) {
    if (!isMeshError(thrown)) throw thrown;
    process.stderr.write(`${describeError(thrown)}\n`);
    process.exit(EXIT_BAD_CONFIG);
  }
  await server.ready;
  supervisor?.ready();
  collectAfterLoading();
  log.info('ready', { ...server.summary() });
}

async function drainAndExit(
  server: Server,
  config: BootstrapConfig,
  log: Logger,
  why: string,
): Promise<void> {
  log.info('draining', { why, atMostMs: config.signalDrainTimeMs });
  await server.drain(config.signalDrainTimeMs);
  await server.close();
  process.exit(0);
}

/** Nothing that comes from outside may lead here: whoever reads this line has found a bug of ours. */
function crashOnBrokenInvariants(log: Logger): void {
  const crash = (kind: string, error: unknown): void => {
    log.error('broken invariant: the process ends', { kind, error });
    process.exit(EXIT_CRASH);
  };
  process.on('uncaughtException', (error) => crash('uncaught exception', error));
  process.on('unhandledRejection', (reason) => crash('unhandled rejection', reason));
}
