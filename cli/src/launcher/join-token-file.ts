import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeError, type Clock, type Timer } from '@heddle/common';
import type { HeddledClient, IssuedToken } from './heddled-client.js';

export interface JoinTokenFileOptions {
  readonly file: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly client: Pick<HeddledClient, 'issueToken' | 'revokeToken'>;
  readonly clock: Clock;
  /** A token cannot be renewed for now. Told once until it can be again. */
  readonly onProblem: (text: string) => void;
}

/** As long as it may be between two looks at a proxy that was started again. */
const TTL_SECONDS = 86_400;
/** Looked at by the wall clock, for a machine that slept has old tokens when it wakes. */
const CHECK_MS = 30_000;
const FIRST_RETRY_MS = 1_000;

/**
 * The join token of one launched proxy, in a file that only this user may read: renewed before half of its time, so that a
 * proxy that is started again always finds a good one, and revoked when the proxy is gone for good.
 */
export class JoinTokenFile {
  readonly #options: JoinTokenFileOptions;
  #issued: IssuedToken | undefined;
  #renewAtMs = 0;
  #timer: Timer | undefined;
  #isTold = false;
  #stopped = false;

  constructor(options: JoinTokenFileOptions) {
    this.#options = options;
  }

  get file(): string {
    return this.#options.file;
  }

  /**
   * Resolves when the token is there, or heddled gave none: then it is asked again soon, and the proxy waits for it.
   *
   * Errors: the folder cannot be made.
   */
  async start(): Promise<void> {
    await mkdir(dirname(this.#options.file), { recursive: true, mode: 0o700 });
    await this.#check();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await rm(this.#options.file, { force: true });
    // heddled may be gone as well; then the token ends by itself.
    const issued = this.#issued;
    if (issued !== undefined) await this.#options.client.revokeToken(issued).catch(() => undefined);
  }

  async #renew(): Promise<void> {
    const { file, namespace, serviceAccount, client, clock } = this.#options;
    const issued = await client.issueToken(namespace, serviceAccount, TTL_SECONDS);
    if (this.#stopped) return;
    // Renamed into place: whoever reads it sees the old one or the new one.
    await writeFile(`${file}.tmp`, `${issued.token}\n`, { mode: 0o600 });
    await rename(`${file}.tmp`, file);
    this.#issued = issued;
    this.#renewAtMs = clock.nowMs() + (TTL_SECONDS * 1000) / 2;
  }

  #wait(): void {
    if (this.#stopped) return;
    const delayMs = this.#issued === undefined ? FIRST_RETRY_MS : CHECK_MS;
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#check());
  }

  async #check(): Promise<void> {
    if (this.#options.clock.nowMs() >= this.#renewAtMs) {
      try {
        await this.#renew();
        this.#isTold = false;
      } catch (cause) {
        if (!this.#isTold && !this.#stopped)
          this.#options.onProblem(`no new join token for ${this.#options.file}: ${describeError(cause)}`);
        this.#isTold = true;
      }
    }
    this.#wait();
  }
}
