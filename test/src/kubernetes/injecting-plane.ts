import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.js';
import { RunningProgram } from '../support/running-program.js';
import type { KubeObject } from './kube-api.js';

const run = promisify(execFile);
const heddled = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/control-plane')));
const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

interface Ports {
  readonly webhookPort: number;
  readonly apiPort: number;
  readonly rootsFile: string;
  readonly token: string;
}

/** heddled as a process, with its webhook on an address that the API server reaches. */
export class InjectingPlane {
  readonly #folder: string;
  readonly #program: RunningProgram;
  readonly #ports: Ports;
  readonly #host: string;

  private constructor(folder: string, program: RunningProgram, ports: Ports, host: string) {
    this.#folder = folder;
    this.#program = program;
    this.#ports = ports;
    this.#host = host;
  }

  static async start(host: string, injectorConfig: string): Promise<InjectingPlane> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-kubernetes-'));
    const portsFile = join(folder, 'ports.json');
    await writeFile(join(folder, 'injector.yaml'), injectorConfig);
    const program = new RunningProgram(process.execPath, [
      heddled,
      ...['-f', join(folder, 'mesh'), '--ca-dir', join(folder, 'ca')],
      ...['--injector-config', join(folder, 'injector.yaml'), '--webhook', `${host}:0`],
      ...['--server-name', host, '--xds', '127.0.0.1:0', '--xds-tls', '127.0.0.1:0'],
      ...['--api', '127.0.0.1:0', '--ports-file', portsFile, '--log-level', 'debug'],
    ]);
    const written = (): Promise<string> => readFile(portsFile, 'utf8').catch(() => '');
    await eventually(
      async () => (await written()).endsWith('\n') || program.exit !== undefined,
      () => program.output,
      60_000,
    );
    if (program.exit !== undefined) throw new Error(`heddled ended: ${program.output}`);
    return new InjectingPlane(folder, program, JSON.parse(await written()) as Ports, host);
  }

  get output(): string {
    return this.#program.output;
  }

  /** What `heddle webhook manifest` prints for this heddled. */
  async manifest(more: readonly string[] = []): Promise<KubeObject> {
    const { webhookPort, rootsFile } = this.#ports;
    const args = ['--ca-file', rootsFile, '--url', `https://${this.#host}:${webhookPort}`, '-o', 'json'];
    const { stdout } = await run(process.execPath, [heddle, 'webhook', 'manifest', ...args, ...more]);
    return JSON.parse(stdout) as KubeObject;
  }

  /** A step in the exchange of the root of the mesh. */
  async rotateRoot(step: 'begin' | 'switch' | 'finish'): Promise<void> {
    const { apiPort, token } = this.#ports;
    const answer = await fetch(`http://127.0.0.1:${apiPort}/api/v1/ca/rotation/${step}?force=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new Error(`${step}: ${answer.status} ${await answer.text()}`);
  }

  async changeInjectorConfig(text: string): Promise<void> {
    await writeFile(join(this.#folder, 'next.yaml'), text);
    await rename(join(this.#folder, 'next.yaml'), join(this.#folder, 'injector.yaml'));
  }

  async metrics(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#ports.apiPort}/metrics`);
    return answer.text();
  }

  /** Leaves the API server without an answer. */
  async stop(): Promise<void> {
    await this.#program.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
