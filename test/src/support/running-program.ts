import { spawn, type ChildProcess } from 'node:child_process';

const MAX_OUTPUT = 200_000;

/** A program that a test started: its output is kept for the failure message, and it ends with the test. */
export class RunningProgram {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';
  #exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;

  constructor(
    command: string,
    args: readonly string[],
    environment: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.#child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-MAX_OUTPUT);
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#output += error.message;
        this.#exit = { code: null, signal: null };
        resolve();
      });
      this.#child.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Both outputs, the last 200,000 characters. */
  get output(): string {
    return this.#output;
  }

  /** undefined while it runs. */
  get exit(): { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined {
    return this.#exit;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when it ended by itself. */
  async ended(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    await this.#ended;
    return this.#exit ?? { code: null, signal: null };
  }

  /** SIGTERM, then SIGKILL after `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    if (this.#exit !== undefined) return;
    this.#child.kill('SIGTERM');
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(kill);
  }
}
