import { plaintextAnswer, plaintextAnswerFrom } from './plaintext-call.js';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@heddle/common';
import type { SourceProblem } from '@heddle/control-plane';
import type { CanaryView } from '@heddle/control-plane/dashboard-api';
import type { Instance } from '../launcher/instance.js';
import type { Convergence, HeddledClient } from '../launcher/heddled-client.js';
import type { Launcher } from '../launcher/launcher.js';
import { waitUntil } from '../launcher/readiness.js';
import { rotateRoot } from '../commands/ca/rotate-root.js';
import { accessLogLines, programLines, type AccessLogLine } from './access-log-lines.js';
import { changedLines } from './changed-lines.js';
import type { ShopClient } from './shop-client.js';
import { counterTotal } from './sidecar-figures.js';
import type { LoadFigures, SteadyLoad } from './steady-load.js';

export interface StageOptions {
  readonly launcher: Launcher;
  readonly client: ShopClient;
  readonly heddled: HeddledClient;
  readonly gatewayAdminPort: number;
  /** The folder that the running mesh follows. */
  readonly meshFolder: string;
  readonly storyFolder: string;
  /** Where the proxies log. */
  readonly logsFolder: string;
  readonly load: SteadyLoad;
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
  async apply(
    story: string,
    as: string,
    fill: (yaml: string) => string = (yaml) => yaml,
  ): Promise<readonly string[]> {
    const file = join(this.#options.storyFolder, story);
    const target = join(this.#options.meshFolder, as);
    const text = fill(await readFile(file, 'utf8'));
    const before = await readFile(target, 'utf8').catch(() => undefined);
    await writeFile(target, text);
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

  /** The lines that the programs of a workload wrote and that begin so, without that beginning. */
  programLines(workload: string, beginning: string): Promise<readonly string[]> {
    return programLines(this.#options.logsFolder, workload, beginning);
  }

  /** What the proxies of a workload logged about a path. */
  accessLog(workload: string, path: string): Promise<readonly AccessLogLine[]> {
    return accessLogLines(this.#options.logsFolder, workload, path);
  }

  /** Calls the sidecar of a workload's first instance as a program outside the mesh would; undefined: no HTTP answer came. */
  plaintextAnswer(workload: string, path: string): Promise<number | undefined> {
    const instance = this.launcher.instances.find(({ workload: { name } }) => name === workload);
    const { host, ports } = instance?.inbound ?? { host: '127.0.0.1', ports: [] };
    const port = ports[0] ?? 0;
    const enter = this.launcher.besidePods('/');
    return enter === undefined
      ? plaintextAnswer(host, port, path)
      : plaintextAnswerFrom(enter, host, port, path);
  }

  /** Changes a file of the mesh folder in place, as somebody with an editor would. */
  async edit(name: string, change: (yaml: string) => string): Promise<void> {
    const target = join(this.#options.meshFolder, name);
    await writeFile(target, change(await readFile(target, 'utf8')));
    this.#editedAtMs = this.#options.clock.monotonicMs();
  }

  instancesOf(workload: string): readonly Instance[] {
    return this.launcher.instances.filter(({ workload: { name } }) => name === workload);
  }

  /** The sum of a counter over the proxies of a workload; of the gateway where `workload` is undefined. */
  async counter(workload: string | undefined, name: string, label: string): Promise<number> {
    const ports =
      workload === undefined
        ? [this.#options.gatewayAdminPort]
        : this.instancesOf(workload).map(({ adminPort }) => adminPort);
    // One that is being replaced may not answer any more: what it counted does not matter then.
    const counts = await Promise.all(ports.map((port) => counterTotal(port, name, label).catch(() => 0)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** What the steady load has seen so far. */
  get load(): LoadFigures {
    return this.#options.load.figures;
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(ms, resolve));
  }

  convergence(): Promise<Convergence> {
    return this.#options.heddled.convergence();
  }

  /** undefined: there is none of that name. */
  async canary(name: string): Promise<CanaryView | undefined> {
    return (await this.#options.heddled.canaries()).find((canary) => canary.name === name);
  }

  /** Of every proxy, the gateway's too. */
  proxies(): readonly { readonly name: string; readonly adminPort: number }[] {
    const gateway = { name: 'gateway', adminPort: this.#options.gatewayAdminPort };
    return [gateway, ...this.launcher.instances.map(({ name, adminPort }) => ({ name, adminPort }))];
  }

  /** What `heddle ca rotate-root` does. Returns what it says. Errors: RotationStuck. */
  async rotateRoot(): Promise<readonly string[]> {
    const told: string[] = [];
    const { heddled: client, clock } = this.#options;
    // Nobody is expected back: this mesh was started by this program, and all of it is there.
    const waits = { timeoutMs: 20_000, settleMs: 0 };
    await rotateRoot({ client, clock, ...waits, onProgress: (text) => told.push(text) });
    return told;
  }
}
