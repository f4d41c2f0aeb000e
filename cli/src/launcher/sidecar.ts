import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListeningSockets, SupervisedProcess, canHoldSockets, proxyEnvironment } from '@heddle/supervisor';
import { fileStem } from './file-stem.js';
import { JoinTokenFile } from './join-token-file.js';
import type { LaunchEnvironment } from './launch-environment.js';
import { proxyBootstrap, type ProxyBootstrapOptions } from './proxy-bootstrap.js';
import { NETWORK, SWITCH_PORTS } from './pods/pod-addresses.js';
import type { OpenedSocket } from './pods/pod-network.js';
import { answersOk, waitUntil } from './readiness.js';

/** For a successor, which is given up then. */
const READY_TIMEOUT_MS = 30_000;
/** Units: ms. */
const SAY_LATE_AFTER_MS = 30_000;
const DRAIN_GRACE_MS = 15_000;
/** One that was replaced ends its drain by itself within 25 s: it waits for clients that use their connections seldom. */
const REPLACED_GRACE_MS = 35_000;

export type SidecarOptions = Omit<
  ProxyBootstrapOptions,
  'adminPort' | 'xdsPort' | 'xdsHost' | 'accessLog' | 'identity' | 'variant' | 'hbone'
>;

/** Where a proxy runs that is not simply on this machine. */
export interface SidecarPlace {
  /** The words before its command. */
  enter(folder: string): readonly string[];
  /** Opened there for it. */
  readonly sockets: readonly OpenedSocket[];
}

const TRUST_DOMAIN = 'cluster.local';

/** One heddle-proxy process, beside an application or as a gateway, with its bootstrap, state and logs. */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #environment: LaunchEnvironment;
  readonly #process: SupervisedProcess;
  /** While it is started again or replaced, those who come wait. */
  readonly #sockets = canHoldSockets() ? new ListeningSockets() : undefined;
  readonly #token: JoinTokenFile;
  readonly #stem: string;
  readonly #bootstrapFile: string;
  readonly #onUp: () => void;
  readonly #onDown: () => void;
  readonly #stopped = new AbortController();
  #adminPort = 0;
  /** Counts starts and ends of the process. */
  #run = 0;

  /** `onUp` is called when it is ready, after a crash again; `onDown` when it crashed. */
  constructor(
    options: SidecarOptions,
    environment: LaunchEnvironment,
    onUp: () => void,
    onDown: () => void,
    place?: SidecarPlace,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#onUp = onUp;
    this.#onDown = onDown;
    const { folders, proxy } = environment;
    this.#stem = fileStem(options.name, options.namespace);
    this.#bootstrapFile = join(folders.bootstraps, `${this.#stem}.json`);
    const logFile = join(folders.logs, `${this.#stem}.proxy.log`);
    this.#token = new JoinTokenFile({
      file: join(folders.tokens, this.#stem),
      namespace: options.namespace,
      serviceAccount: options.serviceAccount,
      client: environment.client,
      clock: environment.clock,
      onProblem: (text) => environment.report({ kind: 'problem', text }),
    });
    for (const { host, port, handle } of place?.sockets ?? []) this.#sockets?.adopt(host, port, handle);
    const [command = '', ...args] = [
      ...(place?.enter(process.cwd()) ?? []),
      ...[proxy.command, ...proxy.args, '-c', this.#bootstrapFile],
      ...['--state-dir', join(folders.proxyState, this.#stem)],
    ];
    this.#process = new SupervisedProcess({
      name: `sidecar of ${options.name}`,
      command,
      args,
      workingDirectory: process.cwd(),
      environment: proxyEnvironment(environment.environment),
      logFile,
      clock: environment.clock,
      random: environment.random,
      ...(this.#sockets === undefined ? {} : { sockets: this.#sockets }),
      onStart: () => void this.#awaitReady(logFile),
      onCrash: (crash) => {
        this.#run++;
        this.#onDown();
        const what =
          options.role === 'sidecar' ? `the sidecar of ${options.name}` : `gateway ${options.name}`;
        environment.report({ kind: 'crashed', name: what, ...crash, logFile });
      },
    });
  }

  get adminPort(): number {
    return this.#adminPort;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  async start(): Promise<void> {
    const { ports, folders, xdsTlsPort, rootsFile, pods } = this.#environment;
    const [xdsHost, xdsPort] =
      pods === undefined ? ['127.0.0.1', xdsTlsPort] : [NETWORK.v4.switch, SWITCH_PORTS.controlPlane];
    this.#adminPort = await ports.take();
    await this.#token.start();
    await mkdir(join(folders.proxyState, this.#stem), { recursive: true, mode: 0o700 });
    const bootstrap = proxyBootstrap({
      ...this.#options,
      adminPort: this.#adminPort,
      xdsHost,
      xdsPort,
      hbone: this.#environment.hbone,
      identity: {
        trustDomain: TRUST_DOMAIN,
        caAddress: `${xdsHost}:${xdsPort}`,
        rootsFile,
        tokenFile: this.#token.file,
      },
      accessLog: join(folders.logs, `${this.#stem}.access.log`),
    });
    await writeFile(this.#bootstrapFile, `${JSON.stringify(bootstrap, null, 2)}\n`, { mode: 0o600 });
    this.#process.start();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#process.stop(DRAIN_GRACE_MS);
    await this.#token.stop();
    this.#sockets?.close();
    this.#environment.ports.release(this.#adminPort);
  }

  /** Starts it anew beside itself and lets the old one finish. Resolves with why that failed, if it did. */
  replace(): Promise<string | undefined> {
    return this.#process.replace(READY_TIMEOUT_MS, REPLACED_GRACE_MS);
  }

  kill(): void {
    this.#stopped.abort();
    this.#process.kill();
  }

  /** Waits as long as this run of the process lasts: what keeps it from being ready may pass. */
  async #awaitReady(logFile: string): Promise<void> {
    const { clock, report } = this.#environment;
    const run = ++this.#run;
    const isOver = (): boolean => run !== this.#run || this.#stopped.signal.aborted;
    const late = clock.setTimer(SAY_LATE_AFTER_MS, () => {
      const what = 'its sidecar got no configuration';
      if (!isOver()) report({ kind: 'not-ready', name: this.#options.name, what, logFile });
    });
    const check = async (): Promise<boolean> => isOver() || (await answersOk(this.#adminPort, '/ready'));
    await waitUntil(check, clock, Infinity, this.#stopped.signal);
    late.cancel();
    if (!isOver()) this.#onUp();
  }
}
