import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@heddle/common';
import type { SourceProblem } from '@heddle/control-plane';
import type { HeddledClient } from '../launcher/heddled-client.js';
import type { Launcher } from '../launcher/launcher.js';
import { waitUntil } from '../launcher/readiness.js';
import { changedLines } from './changed-lines.js';
import type { ShopClient } from './shop-client.js';

export interface StageOptions {
  readonly launcher: Launcher;
  readonly client: ShopClient;
  readonly heddled: HeddledClient;
  readonly gatewayAdminPort: number;
  /** The folder that the running mesh follows. */
  readonly meshFolder: string;
  readonly storyFolder: string;
  readonly clock: Clock;
}

/** The running mesh as a step of the story sees it. */
export class Stage {
  readonly launcher: Launcher;
  readonly client: ShopClient;
  readonly #options: StageOptions;
  #editedAtMs = 0;

  constructor(options: StageOptions) {
    this.#options = options;
    this.launcher = options.launcher;
    this.client = options.client;
  }

  /** Puts a file of the story into the mesh folder. Returns what it changes there. */
  async apply(story: string, as: string): Promise<readonly string[]> {
    const file = join(this.#options.storyFolder, story);
    const target = join(this.#options.meshFolder, as);
    const text = await readFile(file, 'utf8');
    const before = await readFile(target, 'utf8').catch(() => undefined);
    await copyFile(file, target);
    this.#editedAtMs = this.#options.clock.monotonicMs();
    return changedLines(before, text);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#options.meshFolder, name));
    this.#editedAtMs = this.#options.clock.monotonicMs();
  }

  sinceEditMs(): number {
    return this.#options.clock.monotonicMs() - this.#editedAtMs;
  }

  eventually(check: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
    return waitUntil(check, this.#options.clock, timeoutMs);
  }

  problems(): Promise<readonly SourceProblem[]> {
    return this.#options.heddled.problems();
  }

  /** Of every proxy, the gateway's too. */
  adminPorts(): readonly number[] {
    return [this.#options.gatewayAdminPort, ...this.launcher.instances.map(({ adminPort }) => adminPort)];
  }
}
