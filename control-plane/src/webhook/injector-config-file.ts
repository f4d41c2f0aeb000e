import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describeError, isMeshError, type Clock, type Logger, type Timer } from '@heddle/common';
import { InjectorConfigError, parseInjectorConfig, type InjectorConfig } from '@heddle/injector';

export interface InjectorConfigFileOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often it is looked at. Units: ms. Default 2000. */
  readonly intervalMs?: number;
}

/** The injector's configuration from a file that is followed: what is wrong with an edit is told, and the last good stays. */
export class InjectorConfigFile {
  readonly #options: InjectorConfigFileOptions;
  /** What was read last; undefined when that failed. */
  #text: string | undefined;
  #config: InjectorConfig;
  #problem: string | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  /** Errors: InjectorConfigError with every problem, each beginning with the file. */
  constructor(options: InjectorConfigFileOptions) {
    this.#options = options;
    try {
      this.#text = readFileSync(options.file, 'utf8');
    } catch (cause) {
      throw new InjectorConfigError([`${options.file} cannot be read: ${describeError(cause)}`], { cause });
    }
    this.#config = parsed(options.file, this.#text);
  }

  get config(): InjectorConfig {
    return this.#config;
  }

  /** What is wrong with the file now; undefined: it is what is in force. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Follows the file until it is closed. */
  follow(): void {
    const { clock, intervalMs = 2_000 } = this.#options;
    this.#timer = clock.setTimer(intervalMs, () => {
      void this.reread().then(() => {
        if (!this.#isClosed) this.follow();
      });
    });
  }

  /** Looks at the file now. */
  async reread(): Promise<void> {
    const { file } = this.#options;
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (cause) {
      this.#text = undefined;
      this.#refuse(`${file} cannot be read: ${describeError(cause)}`);
      return;
    }
    // A file that is being written in place is empty for a moment.
    if (this.#isClosed || text === '' || text === this.#text) return;
    this.#text = text;
    try {
      this.#config = parsed(file, text);
    } catch (cause) {
      if (!isMeshError(cause)) throw cause;
      this.#refuse(cause.message);
      return;
    }
    this.#problem = undefined;
    this.#options.log.info('injector configuration in force', { file, image: this.#config.image });
  }

  #refuse(problem: string): void {
    if (this.#isClosed || problem === this.#problem) return;
    this.#problem = problem;
    this.#options.log.error('injector configuration refused; the last good one stays', { error: problem });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}

function parsed(file: string, text: string): InjectorConfig {
  try {
    return parseInjectorConfig(text);
  } catch (error) {
    if (!(error instanceof InjectorConfigError)) throw error;
    throw new InjectorConfigError(error.problems.map((problem) => `${file}: ${problem}`));
  }
}
