import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { Backoff, type Clock, type Random, type Timer } from '@heddle/common';
import { logSize, logTail } from './log-tail.js';

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
  /** Both outputs are appended there. */
  readonly logFile: string;
  readonly clock: Clock;
  readonly random: Random;
  /** The process is up (again). Not yet ready: that is asked of its port. */
  readonly onStart: () => void;
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

/**
 * One child process that is kept running until it is stopped.
 *
 * It gets a process group of its own, so that Ctrl-C in the terminal reaches only us and we end things in order, and so
 * that what it started itself ends with it.
 */
export class SupervisedProcess {
  readonly #options: SupervisedProcessOptions;
  readonly #backoff: Backoff;
  #child: ChildProcess | undefined;
  #restart: Timer | undefined;
  #stopping = false;
  #logStart = 0;
  #startedAtMs = 0;
  #lastWords: readonly string[] = [];
  #ended: (() => void) | undefined;

  constructor(options: SupervisedProcessOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 200, maxMs: 10_000, random: options.random });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Nothing is started any more after `stop` or `kill`. */
  start(): void {
    if (this.#stopping) return;
    const { command, args, workingDirectory, environment, logFile } = this.#options;
    const log = openSync(logFile, 'a', 0o600);
    this.#logStart = logSize(log);
    this.#startedAtMs = this.#options.clock.monotonicMs();
    try {
      const child = spawn(command, args, {
        cwd: workingDirectory,
        env: environment,
        stdio: ['ignore', log, log],
        detached: true,
      });
      this.#child = child;
      child.once('error', (error) => this.#onEnd(this.#whyNotStarted(error), false));
      child.once('exit', (code, signal) =>
        this.#onEnd(signal === null ? `exit code ${code}` : `signal ${signal}`, true),
      );
      child.once('spawn', () => this.#options.onStart());
    } finally {
      closeSync(log);
    }
  }

  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when the process has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#restart?.cancel();
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    this.#signal(child, 'SIGTERM');
    const kill = this.#options.clock.setTimer(graceMs, () => this.#signal(child, 'SIGKILL'));
    await ended;
    kill.cancel();
  }

  /** Ends it at once, without waiting. */
  kill(): void {
    this.#stopping = true;
    this.#restart?.cancel();
    if (this.#child !== undefined) this.#signal(this.#child, 'SIGKILL');
  }

  #onEnd(how: string, wasStarted: boolean): void {
    const child = this.#child;
    if (child === undefined) return;
    // Whatever it started and left behind ends with it.
    this.#signal(child, 'SIGKILL');
    this.#child = undefined;
    this.#ended?.();
    if (this.#stopping) return;
    if (this.#options.clock.monotonicMs() - this.#startedAtMs >= RAN_WELL_MS) this.#backoff.reset();
    const restartInMs = this.#backoff.nextDelayMs();
    this.#restart = this.#options.clock.setTimer(restartInMs, () => this.start());
    const lastWords = logTail(this.#options.logFile, this.#logStart, LAST_WORDS_LINES);
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
