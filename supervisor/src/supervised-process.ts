import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { Backoff, type Clock, type Random, type Timer } from '@heddle/common';
import { Keepsake } from './keepsake.js';
import type { ListeningSockets } from './listening-sockets.js';
import { logSize, logTail } from './log-tail.js';
import { SUPERVISED, type ReplacedMessage } from './supervisor-link.js';

const LAST_WORDS_LINES = 3;
/** After a run of this length a crash is answered quickly again. */
const RAN_WELL_MS = 10_000;

export interface SupervisedProcessOptions {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Both outputs are appended there. Without one the process writes to ours. */
  readonly logFile?: string;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Holds the sockets that the process listens on, so that nobody is refused while it is started again or replaced. With it
   * comes a channel, over which the process can also leave something to the one after it.
   */
  readonly sockets?: ListeningSockets;
  /** The process is up (again). Not yet ready: that is asked of its port. */
  readonly onStart: () => void;
  /** It said over the channel that it serves everything; only with `sockets`. */
  readonly onReady?: () => void;
  /** It ended without being asked to, or could not be started. It is started again after `restartInMs`. */
  readonly onCrash: (crash: Crash) => void;
}

/** How a process ended that should have gone on. */
export interface Crash {
  /** `exit code 1`, `signal SIGKILL`, or why it could not be started. */
  readonly how: string;
  readonly wasStarted: boolean;
  readonly restartInMs: number;
  /** The last lines that it wrote in this run; empty when it wrote nothing, or the same as in the run before. */
  readonly lastWords: readonly string[];
}

interface Successor {
  readonly child: ChildProcess;
  /** Ends the wait: with undefined when it takes over, with the reason when it does not. */
  readonly settle: (failure: string | undefined) => void;
}

/**
 * One child process that is kept running until it is stopped.
 *
 * It gets a process group of its own, so that Ctrl-C in the terminal reaches only us and we end things in order, and so
 * that what it started itself ends with it.
 */
export class SupervisedProcess {
  readonly #options: SupervisedProcessOptions;
  readonly #backoff: Backoff;
  /** What one run leaves to the next. */
  readonly #keepsake: Keepsake;
  #child: ChildProcess | undefined;
  /** Started to replace `#child`, and not ready yet. */
  #successor: Successor | undefined;
  /** Everything that runs: the child, its successor, and those that were replaced and still finish something. */
  readonly #running = new Set<ChildProcess>();
  #restart: Timer | undefined;
  #stopping = false;
  #logStart = 0;
  #startedAtMs = 0;
  #lastWords: readonly string[] = [];
  #ended: (() => void) | undefined;

  constructor(options: SupervisedProcessOptions) {
    this.#options = options;
    this.#keepsake = new Keepsake(options.clock);
    this.#backoff = new Backoff({ baseMs: 200, maxMs: 10_000, random: options.random });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Nothing is started any more after `stop` or `kill`. */
  start(): void {
    if (this.#stopping) return;
    this.#startedAtMs = this.#options.clock.monotonicMs();
    this.#child = this.#spawn();
  }

  /**
   * Starts another process beside the running one. When it says over the channel that it is ready, the running one gets
   * SIGTERM, and SIGKILL after `graceMs`. Resolves with undefined when the new one has taken over, or with why it did
   * not; the running one goes on then.
   *
   * It needs `sockets`: without them both would want to listen on the same addresses.
   */
  replace(readyWithinMs: number, graceMs: number): Promise<string | undefined> {
    if (this.#options.sockets === undefined) return Promise.resolve('its sockets are not held');
    if (this.#stopping || this.#child === undefined) return Promise.resolve('it does not run');
    if (this.#successor !== undefined) return Promise.resolve('it is being replaced already');
    return new Promise((resolve) => {
      const child = this.#spawn();
      const timer = this.#options.clock.setTimer(readyWithinMs, () => {
        this.#signal(child, 'SIGKILL');
        settle(`it was not ready within ${readyWithinMs} ms`);
      });
      const settle = (failure: string | undefined): void => {
        if (this.#successor?.child !== child) return;
        this.#successor = undefined;
        timer.cancel();
        if (failure === undefined) {
          const replaced = this.#child;
          this.#child = child;
          this.#startedAtMs = this.#options.clock.monotonicMs();
          if (replaced !== undefined) {
            tellReplaced(replaced);
            this.#end(replaced, graceMs);
          }
        }
        resolve(failure);
      };
      this.#successor = { child, settle };
    });
  }

  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when the process, and whatever it replaced, has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#restart?.cancel();
    this.#keepsake.forget();
    if (this.#running.size === 0) return;
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    for (const child of this.#running) this.#end(child, graceMs);
    await ended;
  }

  /** Ends it at once, without waiting. */
  kill(): void {
    this.#stopping = true;
    this.#restart?.cancel();
    this.#keepsake.forget();
    for (const child of this.#running) this.#signal(child, 'SIGKILL');
  }

  #spawn(): ChildProcess {
    const { command, args, workingDirectory, environment, logFile, sockets } = this.#options;
    const log = logFile === undefined ? 'inherit' : openSync(logFile, 'a', 0o600);
    this.#logStart = log === 'inherit' ? 0 : logSize(log);
    try {
      const child = spawn(command, args, {
        cwd: workingDirectory,
        env: sockets === undefined ? environment : { ...environment, [SUPERVISED]: '1' },
        stdio: sockets === undefined ? ['ignore', log, log] : ['ignore', log, log, 'ipc'],
        detached: true,
      });
      this.#running.add(child);
      sockets?.serve(child, () => this.#onReady(child));
      this.#keepsake.serve(child, () => this.#hasSay(child));
      child.once('error', (error) => this.#onEnd(child, this.#whyNotStarted(error), false));
      child.once('exit', (code, signal) =>
        this.#onEnd(child, signal === null ? `exit code ${code}` : `signal ${signal}`, true),
      );
      child.once('spawn', () => {
        if (child === this.#child) this.#options.onStart();
      });
      return child;
    } finally {
      if (log !== 'inherit') closeSync(log);
    }
  }

  /** Not one that was replaced, nor any after a stop. */
  #hasSay(child: ChildProcess): boolean {
    return !this.#stopping && (child === this.#child || child === this.#successor?.child);
  }

  #onReady(child: ChildProcess): void {
    if (this.#successor?.child === child) this.#successor.settle(undefined);
    if (this.#child === child) this.#options.onReady?.();
  }

  #end(child: ChildProcess, graceMs: number): void {
    this.#signal(child, 'SIGTERM');
    const kill = this.#options.clock.setTimer(graceMs, () => this.#signal(child, 'SIGKILL'));
    child.once('exit', () => kill.cancel());
  }

  #onEnd(child: ChildProcess, how: string, wasStarted: boolean): void {
    if (!this.#running.delete(child)) return;
    // Whatever it started and left behind ends with it.
    this.#signal(child, 'SIGKILL');
    if (this.#running.size === 0) this.#ended?.();
    if (this.#successor?.child === child) this.#successor.settle(`the new process ended: ${how}`);
    if (child !== this.#child) return;
    this.#child = undefined;
    if (this.#stopping) return;
    if (this.#successor !== undefined) {
      // The one that was to replace it is on its way already.
      this.#successor.settle(undefined);
      return;
    }
    if (this.#options.clock.monotonicMs() - this.#startedAtMs >= RAN_WELL_MS) this.#backoff.reset();
    const restartInMs = this.#backoff.nextDelayMs();
    this.#restart = this.#options.clock.setTimer(restartInMs, () => this.start());
    const { logFile } = this.#options;
    const lastWords = logFile === undefined ? [] : logTail(logFile, this.#logStart, LAST_WORDS_LINES);
    const isRepeated = lastWords.join('\n') === this.#lastWords.join('\n');
    this.#lastWords = lastWords;
    this.#options.onCrash({ how, wasStarted, restartInMs, lastWords: isRepeated ? [] : lastWords });
  }

  #whyNotStarted(error: Error): string {
    const { command, workingDirectory } = this.#options;
    const { code } = error as NodeJS.ErrnoException;
    // The system says the same of both.
    if (code === 'ENOENT' && !existsSync(workingDirectory))
      return `its working directory ${workingDirectory} does not exist`;
    if (code === 'ENOENT') return `there is no program ${JSON.stringify(command)}`;
    if (code === 'EACCES') return `${JSON.stringify(command)} may not be run: it is not executable`;
    return error.message;
  }

  #signal(child: ChildProcess, signal: NodeJS.Signals): void {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}

function tellReplaced(child: ChildProcess): void {
  // One that ended meanwhile needs not know.
  if (child.connected) child.send({ heddle: 'replaced' } satisfies ReplacedMessage, () => undefined);
}
