import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { commandPrefixForCore } from './cores.js';

const STOP_TIMEOUT_MS = 5_000;

export interface StartOptions {
  readonly command: readonly string[];
  /** The core to run on; undefined leaves the choice to the kernel. */
  readonly core: number | undefined;
  /** Where standard output goes; errors go to `logFile`. */
  readonly stdoutFile?: string;
  readonly logFile: string;
  readonly ipc?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** A process started for a measurement. Whoever starts it calls `stop`. */
export class RunningProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly #logFile: string;
  readonly #exited: Promise<void>;
  #stopping = false;

  constructor(child: ChildProcess, pid: number, logFile: string) {
    this.child = child;
    this.pid = pid;
    this.#logFile = logFile;
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()));
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The end of what the process wrote to its log, for an error message. */
  logTail(): string {
    try {
      return readFileSync(this.#logFile, 'utf8').slice(-2_000).trim();
    } catch {
      return '';
    }
  }

  /** Ends the process: politely, then not. */
  async stop(): Promise<void> {
    if (this.#stopping || this.hasExited) return this.#exited;
    this.#stopping = true;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Processes that live, so that an interrupted run leaves none behind. */
const running = new Set<RunningProcess>();
process.once('exit', () => {
  // Not SIGKILL: a proxy with workers ends them on SIGTERM, and would leave them behind otherwise.
  for (const each of running) each.child.kill('SIGTERM');
});

/** Ends every process that was started and still runs. */
export async function stopAllProcesses(): Promise<void> {
  await Promise.all([...running].map((each) => each.stop()));
}

/** Starts a process, on one core where that is possible. Errors: rejects when it cannot be started. */
export async function startProcess(options: StartOptions): Promise<RunningProcess> {
  const [file, ...args] = [...commandPrefixForCore(options.core), ...options.command];
  if (file === undefined) throw new Error('empty command');
  const log = openSync(options.logFile, 'w');
  const out = options.stdoutFile === undefined ? log : openSync(options.stdoutFile, 'w');
  const stdio: StdioOptions = options.ipc === true ? ['ignore', out, log, 'ipc'] : ['ignore', out, log];
  const child = spawn(file, args, { stdio, env: options.env ?? process.env });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  } finally {
    closeSync(log);
    if (out !== log) closeSync(out);
  }
  if (child.pid === undefined) throw new Error(`${file} did not start`);
  const started = new RunningProcess(child, child.pid, options.logFile);
  running.add(started);
  child.once('exit', () => running.delete(started));
  return started;
}

/** Ports of loopback that nobody listened on a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Waits until a request is answered with 200.
 *
 * Errors: rejects when the process ends first or `timeoutMs` passes, with the tail of its log.
 */
export async function waitUntilServing(
  subject: RunningProcess,
  port: number,
  request: Buffer,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    if (subject.hasExited) throw new Error(`it ended while starting: ${subject.logTail()}`);
    const status = await statusOf(port, request);
    if (status === '200') return;
    if (performance.now() > deadlineMs) {
      throw new Error(`not serving after ${timeoutMs} ms (last answer: ${status}): ${subject.logTail()}`);
    }
    await delay(50);
  }
}

/** Waits until somebody takes connections on a port. */
export async function waitUntilListening(
  subject: RunningProcess,
  port: number,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await takesConnections(port))) {
    if (subject.hasExited) throw new Error(`it ended while starting: ${subject.logTail()}`);
    if (performance.now() > deadlineMs) throw new Error(`not listening after ${timeoutMs} ms`);
    await delay(50);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function statusOf(port: number, request: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const finish = (status: string): void => {
      socket.destroy();
      resolve(status);
    };
    socket.setTimeout(2_000, () => finish('timeout'));
    socket.once('connect', () => socket.write(request));
    socket.once('data', (chunk) => finish(chunk.toString('latin1', 9, 12)));
    socket.once('error', (error) => finish(error.message));
    socket.once('close', () => finish('closed'));
  });
}
