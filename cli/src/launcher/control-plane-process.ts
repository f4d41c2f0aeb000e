import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock, Random } from '@heddle/common';
import { SupervisedProcess } from '@heddle/supervisor';
import type { FreePorts } from './free-ports.js';
import type { LaunchEvent } from './launch-event.js';
import { waitUntil } from './readiness.js';

const READY_TIMEOUT_MS = 30_000;

export interface ControlPlaneProcessOptions {
  readonly folders: readonly string[];
  readonly appliedFolder: string;
  readonly stateFolder: string;
  readonly logsFolder: string;
  /** The API is tried there first. */
  readonly apiPort: number;
  /** Whether the plain-text xDS port is for proxies with a join token alone. */
  readonly xdsAuth: XdsAuth;
  readonly ports: FreePorts;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly report: (event: LaunchEvent) => void;
}

export type XdsAuth = 'required' | 'permissive';

export interface RunningControlPlane {
  readonly xdsPort: number;
  /** xDS and the certificate authority, over TLS. */
  readonly xdsTlsPort: number;
  /** PEM of the roots of the mesh; heddled keeps it up to date. */
  readonly rootsFile: string;
  readonly apiPort: number;
  readonly token: string;
}

/** heddled as a process of its own, on ports that stay the same when it is restarted. */
export class ControlPlaneProcess {
  readonly #options: ControlPlaneProcessOptions;
  readonly #stopped = new AbortController();
  #process: SupervisedProcess | undefined;

  constructor(options: ControlPlaneProcessOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves when it listens. Errors: it did not within 30 s, and the message names its log; it was stopped meanwhile. */
  async start(): Promise<RunningControlPlane> {
    const { ports, stateFolder, logsFolder, clock, report } = this.#options;
    const portsFile = join(stateFolder, 'heddled.json');
    const logFile = join(logsFolder, 'heddled.log');
    await rm(portsFile, { force: true });
    // The same one after a restart of heddled: launched proxies get their join tokens with it.
    const tokenFile = join(stateFolder, 'api-token');
    const token = randomBytes(24).toString('base64url');
    await rm(tokenFile, { force: true });
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600, flag: 'wx' });
    const xdsPort = await ports.take();
    const xdsTlsPort = await ports.take();
    const apiPort = await ports.prefer(this.#options.apiPort);
    this.#stopped.signal.throwIfAborted();
    this.#process = new SupervisedProcess({
      name: 'heddled',
      command: process.execPath,
      args: [
        fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/control-plane'))),
        ...this.#options.folders.flatMap((folder) => ['-f', folder]),
        ...['--applied', this.#options.appliedFolder, '--canary-dir', join(stateFolder, 'canaries')],
        ...['--ca-dir', join(stateFolder, 'ca'), '--xds-tls', `127.0.0.1:${xdsTlsPort}`],
        ...['--xds', `127.0.0.1:${xdsPort}`, '--xds-auth', this.#options.xdsAuth],
        // Issuers of tokens, too, run on this machine.
        ...['--jwks-dir', join(stateFolder, 'jwks'), '--jwks-allow-loopback'],
        ...['--api', `127.0.0.1:${apiPort}`, '--token-file', tokenFile],
        ...['--ports-file', portsFile],
      ],
      workingDirectory: process.cwd(),
      environment: this.#options.environment,
      logFile,
      clock,
      random: this.#options.random,
      onStart: () => undefined,
      onCrash: (crash) => report({ kind: 'crashed', name: 'heddled', ...crash, logFile }),
    });
    this.#process.start();
    let written = '';
    const isReady = await waitUntil(
      async () => {
        written = await readFile(portsFile, 'utf8').catch(() => '');
        return written.endsWith('\n');
      },
      clock,
      READY_TIMEOUT_MS,
      this.#stopped.signal,
    );
    this.#stopped.signal.throwIfAborted();
    if (!isReady)
      throw new Error(`heddled did not start within ${READY_TIMEOUT_MS / 1000} s; see ${logFile}`);
    const { rootsFile } = JSON.parse(written) as { rootsFile: string };
    report({ kind: 'control-plane-ready', xdsPort, apiPort, token });
    return { xdsPort, xdsTlsPort, rootsFile, apiPort, token };
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#process?.stop(5_000);
  }

  kill(): void {
    this.#stopped.abort();
    this.#process?.kill();
  }
}
