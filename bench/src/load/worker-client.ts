import { type RunningProcess, startProcess } from '../machine/child-process.js';

/** A process of our own that answers every command with one report. Whoever starts it calls `stop`. */
export class WorkerClient<Command extends object, Report> {
  readonly #process: RunningProcess;

  private constructor(started: RunningProcess) {
    this.#process = started;
  }

  /** Starts a compiled file that calls `answerCommands`. */
  static async start<Command extends object, Report>(
    file: string,
    core: number | undefined,
    logFile: string,
  ): Promise<WorkerClient<Command, Report>> {
    const command = [process.execPath, file];
    return new WorkerClient<Command, Report>(await startProcess({ command, core, logFile, ipc: true }));
  }

  /** Errors: rejects with what the worker says, or when it has ended. */
  ask(command: Command): Promise<Report> {
    const { child } = this.#process;
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        child.off('exit', onExit);
        const answer = message as { report?: Report; error?: string };
        if (answer.report !== undefined) resolve(answer.report);
        else reject(new Error(`load generator: ${answer.error}`));
      };
      const onExit = (): void => {
        child.off('message', onMessage);
        reject(new Error(`load generator ended: ${this.#process.logTail()}`));
      };
      child.once('message', onMessage);
      child.once('exit', onExit);
      child.send(command);
    });
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}
