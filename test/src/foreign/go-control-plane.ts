import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { eventually } from '../support/eventually.js';

/** What the program says of a stream. */
export interface XdsEvent {
  readonly event: 'listening' | 'serving' | 'request' | 'response' | 'problem';
  readonly port?: number;
  readonly stream?: number;
  readonly typeUrl?: string;
  readonly version?: string;
  readonly nonce?: string;
  /** Of a request: the NACK. */
  readonly message?: string;
  readonly names?: readonly string[];
  readonly delta?: boolean;
  /** Of a response: as it goes over the wire, in base64. */
  readonly bytes?: string;
}

/** Resources as ProtoJSON, by type. */
export type JsonResources = Readonly<Record<string, readonly object[]>>;

/** A management server of go-control-plane in a process of its own, and all that passes between it and a proxy. */
export class GoControlPlane {
  readonly events: XdsEvent[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  #errors = '';

  /** `ads`: it answers only when all resources of a type are asked for, as is right for aggregated streams. */
  static async start(path: string, ads: boolean): Promise<GoControlPlane> {
    const plane = new GoControlPlane(path, ads);
    await eventually(
      () => plane.port !== 0,
      () => `go-control-plane does not listen: ${plane.#errors}`,
    );
    return plane;
  }

  private constructor(path: string, ads: boolean) {
    this.#child = spawn(path, [`-ads=${ads}`]);
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-10_000);
    });
    this.#child.on('error', (error) => (this.#errors += error.message));
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.events.push(JSON.parse(line) as XdsEvent);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', () => resolve());
    });
  }

  get port(): number {
    return this.events.find(({ event }) => event === 'listening')?.port ?? 0;
  }

  /** Serves these from now on. Rejects when Envoy's messages do not hold them. */
  async serve(version: string, resources: JsonResources): Promise<void> {
    const before = this.events.length;
    this.#child.stdin.write(`${JSON.stringify({ version, resources })}\n`);
    const answers = (): XdsEvent[] =>
      this.events.slice(before).filter(({ event }) => event === 'serving' || event === 'problem');
    await eventually(
      () => answers().length > 0,
      () => `no word about the snapshot: ${this.#errors}`,
    );
    const [answer] = answers();
    if (answer?.event === 'problem') throw new Error(answer.message);
  }

  /** Everything that the proxy refused. */
  get nacks(): readonly string[] {
    return this.events.flatMap(({ event, message }) => (event === 'request' && message ? [message] : []));
  }

  /** The types of which the proxy has acknowledged an answer of this version. */
  acknowledged(version: string): readonly string[] {
    const nonces = new Map(
      this.events
        .filter((one) => one.event === 'response' && one.version === version)
        .map((one) => [keyOf(one), one.typeUrl ?? '']),
    );
    const types = this.events
      .filter((one) => one.event === 'request' && one.nonce !== '' && !one.message)
      .map((one) => nonces.get(keyOf(one)));
    return [...new Set(types.filter((one) => one !== undefined))].sort();
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

function keyOf({ stream, typeUrl, nonce }: XdsEvent): string {
  return `${stream} ${typeUrl} ${nonce}`;
}
