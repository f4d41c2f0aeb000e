import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Backoff, type Clock, type Random, type Timer } from '@heddle/common';

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
  /** It ended without being asked to. It is started again after `restartInMs`. */
  readonly onCrash: (how: string, restartInMs: number) => void;
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
  #ended: (() => void) | undefined;

  constructor(options: SupervisedProcessOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 200, maxMs: 10_000, random: options.random });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const { command, args, workingDirectory, environment, logFile, name } = this.#options;
    const log = openSync(logFile, 'a', 0o600);
    try {
      const child = spawn(command, args, {
        cwd: workingDirectory,
        env: environment,
        stdio: ['ignore', log, log],
        detached: true,
      });
      this.#child = child;
      child.once('error', (error) => this.#onEnd(`${name}: ${error.message}`));
      child.once('exit', (code, signal) =>
        this.#onEnd(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
      child.once('spawn', () => this.#options.onStart());
    } finally {
      closeSync(log);
    }
  }

  /** It ran well for a while: the next crash is answered quickly again. */
  markHealthy(): void {
    this.#backoff.reset();
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

  #onEnd(how: string): void {
    const child = this.#child;
    if (child === undefined) return;
    // Whatever it started and left behind ends with it.
    this.#signal(child, 'SIGKILL');
    this.#child = undefined;
    this.#ended?.();
    if (this.#stopping) return;
    const delayMs = this.#backoff.nextDelayMs();
    this.#options.onCrash(how, delayMs);
    this.#restart = this.#options.clock.setTimer(delayMs, () => this.start());
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
