import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess } from '../machine/child-process.js';
import type { GeneratorCommand, GeneratorReport } from './generator-protocol.js';

const GENERATOR_FILE = fileURLToPath(new URL('./generator.js', import.meta.url));

/** The load generator, in a process of its own. Whoever starts it calls `stop`. */
export class GeneratorClient {
  readonly #process: RunningProcess;

  private constructor(started: RunningProcess) {
    this.#process = started;
  }

  static async start(core: number | undefined, logFile: string): Promise<GeneratorClient> {
    const command = [process.execPath, GENERATOR_FILE];
    return new GeneratorClient(await startProcess({ command, core, logFile, ipc: true }));
  }

  /** Errors: rejects with what the generator says, or when it has ended. */
  ask(command: GeneratorCommand): Promise<GeneratorReport> {
    const { child } = this.#process;
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        child.off('exit', onExit);
        const answer = message as { report?: GeneratorReport; error?: string };
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
