import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import type { ProxySubject } from '../support/proxy-subjects.js';
import { RecordingUpstream } from '../support/recording-upstream.js';
import type { RunningProgram } from '../support/running-program.js';
import type { ConformanceSuite } from './conformance-suite.js';
import { RowContext } from './row-context.js';

const BOOTSTRAPS = fileURLToPath(new URL('../../bootstraps/', import.meta.url));

export function bootstrapPath(file: string): string {
  return join(BOOTSTRAPS, file);
}

/** One proxy started from one suite's bootstrap, with upstreams of its own. */
export class SuiteRun {
  readonly context: RowContext;
  readonly #folder: string;
  readonly #proxy: RunningProgram;

  private constructor(folder: string, proxy: RunningProgram, context: RowContext) {
    this.#folder = folder;
    this.#proxy = proxy;
    this.context = context;
  }

  static async start(suite: ConformanceSuite, subject: ProxySubject): Promise<SuiteRun> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-conformance-'));
    const upstreams = new Map<string, RecordingUpstream>();
    const ports = new Map<string, number>();
    for (const name of suite.upstreams) {
      const upstream = new RecordingUpstream(name);
      upstreams.set(name, upstream);
      ports.set(name.toUpperCase(), await upstream.listen());
    }
    const template = await readFile(bootstrapPath(`${suite.file}.yaml`), 'utf8');
    const text = await fillBootstrap(template, ports, folder);
    const file = join(folder, 'bootstrap.yaml');
    await writeFile(file, text);
    const proxy = subject.start(file, join(folder, 'state'));
    const context = new RowContext(subject.name, ports, upstreams, join(folder, 'access.log'));
    const run = new SuiteRun(folder, proxy, context);
    try {
      await eventually(
        async () => {
          if (proxy.exit !== undefined) throw new Error(`${subject.name} ended\n${proxy.output}`);
          return (await httpCall(context.port('ADMIN'), '/ready')).status === 200;
        },
        () => `${subject.name} is not ready\n${proxy.output}`,
      );
    } catch (error) {
      await run.stop();
      throw error;
    }
    return run;
  }

  /** What the proxy wrote, for failure messages. */
  get output(): string {
    return this.#proxy.output;
  }

  async stop(): Promise<void> {
    await this.#proxy.stop(2000);
    for (const upstream of this.context.upstreams.values()) await upstream.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Fills in `${PORT_…}` (free ones where no upstream has the name), `${LOG}` and `${FOLDER}`. */
export async function fillBootstrap(
  template: string,
  ports: Map<string, number>,
  folder: string,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [, name = ''] of template.matchAll(/\$\{PORT_([A-Z0-9_]+)\}/g)) {
    if (!ports.has(name)) ports.set(name, await freePort());
  }
  return template
    .replaceAll(/\$\{PORT_([A-Z0-9_]+)\}/g, (_, name: string) => String(ports.get(name)))
    .replaceAll('${LOG}', join(folder, 'access.log'))
    .replaceAll('${FOLDER}', folder);
}
