import { parentPort, workerData } from 'node:worker_threads';
import { createLogger, describeError, isMeshError, type Clock, systemClock } from '@heddle/common';
import { loadBootstrap } from '../../bootstrap.js';
import type { LogFileSystem } from '../../access-log/access-log-files.js';
import { BatchClock } from '../../codec/http1/batch-clock.js';
import { writeBatch } from '../../codec/http1/write-batch.js';
import type { SocketSource } from '../../listener/bind-server.js';
import { Server } from '../../server.js';
import { SharedCells } from '../../shared/shared-cells.js';
import { ThreadLink, type ThreadPort } from '../../shared/thread-link.js';
import { StatsPublisher } from '../../stats/published-stats.js';
import { InProcessSecrets } from '../../tls/in-process-secrets.js';
import { SharedMemoryUse } from './shared-memory-use.js';
import type { ToMain, ToWorker, WorkerStart } from './messages.js';
import { RelayedConfiguration } from './relayed-configuration.js';
import { secretOf } from './secret-transfer.js';
import { ThreadWatch } from './thread-watch.js';
import { viewOf } from './worker-view.js';

type Link = ThreadLink<ToMain, ToWorker>;

/** A worker thread of heddle-proxy: everything between a client and its upstream, for the connections that it accepts. */
async function run(port: ThreadPort, start: WorkerStart): Promise<void> {
  const { index, commandLine, texts } = start;
  const loaded = await loadBootstrap(commandLine, undefined, texts);
  // The main thread has these, for all.
  const config = {
    ...loaded,
    warnings: [],
    adminAddress: undefined,
    adminAddressPath: undefined,
    identity: undefined,
    dns: undefined,
  };
  const ownSecrets = new InProcessSecrets(start.ownSecrets);
  const memoryUse = new SharedMemoryUse(start.memoryUse, index + 1);
  let server: Server | undefined = undefined;
  const served = (): Server => server as unknown as Server;
  const link: Link = new ThreadLink<ToMain, ToWorker>(port, {
    start: async () => {
      try {
        await served().start();
      } catch (thrown) {
        if (!isMeshError(thrown)) throw thrown;
        return describeError(thrown);
      }
      return undefined;
    },
    clusters: (message) => configuration.applyClusters(message),
    listeners: (message) => configuration.applyListeners(message),
    warm: (what) => new Promise((resolve) => served().whenWarm(what, resolve)),
    resource: (message) => configuration.onResource(message),
    ownSecret: ({ name, secret }) => ownSecrets.set(name, secret && secretOf(secret)),
    view: ({ labelled }) => viewOf(served().view(), labelled),
    drainListeners: (options) => served().drainListeners(options),
    drain: ({ timeoutMs, isReplaced }) => served().drain(timeoutMs, isReplaced),
    close: () => served().close(),
    reopenLogs: () => served().reopenLogs(),
    logLevel: (level) => {
      log.level = level;
    },
    resetCounters: () => served().resetCounters(),
    runtime: (changes) => served().modifyRuntime(changes),
    health: (clusters) => watch.onTold(clusters),
    names: (names) => watch.onNames(names),
  });
  const cells = new SharedCells(start.cells);
  // Whichever it is: the first is there always.
  const watch = new ThreadWatch(index === 0, cells, link);
  const configuration = new RelayedConfiguration(link);
  const log = createLogger({
    component: 'proxy',
    level: config.logLevel,
    fields: { worker: index },
    sink: { write: (line) => link.tell('logLine', line) },
  });
  const stats = new StatsPublisher((changes) => link.tell('metrics', changes));
  server = new Server({
    config,
    log,
    clock: new BatchClock(processClock(), writeBatch),
    thread: {
      stats: stats.store,
      configuration: loaded.ads === undefined ? undefined : configuration,
      ownSecrets: start.ownSecrets.length === 0 ? undefined : ownSecrets,
      watchBySds: (cluster) => (name, watcher) =>
        configuration.watchSecret(
          name,
          { onUpdate: (secret) => watcher.onUpdate(secret), onAbsent: () => watcher.onRemoved() },
          cluster,
        ),
      sockets: relayedSockets(link),
      logFiles: relayedLogFiles(link),
      memoryUse: () => memoryUse.look(),
      ticketSecret: Buffer.from(start.ticketSecret),
      cells,
      watch,
    },
  });
}

/** Monotonic time that is the same in all threads: `performance.now()` counts from each thread's own beginning. */
function processClock(): Clock {
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return {
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => performance.now() + offsetMs,
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
  };
}

function relayedSockets(link: Link): SocketSource {
  const given = (found: ToMain['listen']['answer']) =>
    found.ok ? { ok: true as const, handle: { fd: found.descriptor }, port: found.port } : found;
  return {
    listen: async (host, port, ipv6Only, owner = '') =>
      given(await link.ask('listen', { owner, host, port, ipv6Only })),
    listenAt: async (path, owner) => given(await link.ask('listenAt', { owner, path })),
    unlisten: (host, port) => link.tell('unlisten', { host, port }),
  };
}

/** Files that the main thread writes. Their descriptors here are numbers of our own, above those of standard output and error. */
function relayedLogFiles(link: Link): LogFileSystem {
  const paths = ['', '/dev/stdout', '/dev/stderr'];
  const errorOf = (thrown: unknown): Error =>
    thrown instanceof Error ? thrown : new Error(describeError(thrown));
  return {
    open: (path, callback) => {
      let descriptor = paths.indexOf(path);
      if (descriptor < 0) descriptor = paths.push(path) - 1;
      link.ask('openLog', { path }).then(
        () => callback(null, descriptor),
        (thrown: unknown) => callback(errorOf(thrown), -1),
      );
    },
    write: (descriptor, bytes, callback) => {
      const own = Uint8Array.from(bytes);
      link.ask('writeLog', { path: paths[descriptor] as string, bytes: own }, [own.buffer]).then(
        () => callback(null, bytes.length),
        (thrown: unknown) => callback(errorOf(thrown), 0),
      );
    },
    close: (descriptor) => link.tell('releaseLog', { path: paths[descriptor] as string }),
  };
}

if (parentPort !== null) await run(parentPort as ThreadPort, workerData as WorkerStart);
