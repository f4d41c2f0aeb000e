// The load generator's own process: HTTP/1.1 over node:net without pipelining, or HTTP/2; every answer checked.
import net from 'node:net';
import { quantile } from '../report/statistics.js';
import { answerCommands } from './answer-commands.js';
import type { GeneratorCommand, GeneratorReport, RequestTarget } from './generator-protocol.js';
import { openHttp2, type Http2Slot, type Http2Use } from './http2-load.js';
import { ResponseScanner } from './response-scanner.js';

const MAX_LATENCY_SAMPLES = 2_000_000;
const READ_BUFFER_BYTES = 64 * 1024;

/** What carries one request at a time. */
interface Carrier {
  busy: boolean;
  sentAtMs: number;
  close(): void;
}

class Connection implements Carrier {
  readonly socket: net.Socket;
  busy = false;
  sentAtMs = 0;

  constructor(socket: net.Socket) {
    this.socket = socket;
  }

  close(): void {
    this.socket.destroy();
  }
}

class LoadGenerator {
  readonly #connections: Carrier[] = [];
  readonly #idle: Carrier[] = [];
  #targets: readonly RequestTarget[] = [];
  #requests: Buffer[] = [];
  #nextRequest = 0;
  #mode: 'closed' | 'open' | 'paused' = 'paused';
  #connecting = false;
  #whenIdle: (() => void) | undefined;

  #completed = 0;
  #totalCompleted = 0;
  #failed = 0;
  #firstFailure: string | undefined;
  #markedAtMs = 0;
  #worstTickMs = 0;
  readonly #latenciesMs = new Float64Array(MAX_LATENCY_SAMPLES);
  #latencyCount = 0;

  /** Arrivals that found every connection busy, by the time at which they were due. */
  readonly #waitingSinceMs: number[] = [];

  async handle(command: GeneratorCommand): Promise<GeneratorReport> {
    switch (command.kind) {
      case 'connect':
        if (command.http2 === undefined)
          await this.#connect(command.port, command.connections, command.targets, command.bodyBytes);
        else await this.#connectHttp2(command, command.http2);
        this.#mark();
        break;
      case 'closed-loop':
        this.#mode = 'closed';
        this.#mark();
        for (let next = this.#idle.pop(); next !== undefined; next = this.#idle.pop()) {
          this.#send(next, performance.now());
        }
        break;
      case 'mark':
        this.#mark();
        break;
      case 'measure':
        break;
      case 'pause':
        this.#mode = 'paused';
        await this.#untilIdle();
        break;
      case 'open-loop':
        await this.#openLoop(command.ratePerSecond, command.seconds);
        break;
      case 'disconnect':
        for (const connection of this.#connections.splice(0)) connection.close();
        this.#idle.length = 0;
        break;
    }
    return this.#report(command.kind === 'open-loop');
  }

  async #connect(
    port: number,
    count: number,
    targets: readonly RequestTarget[],
    bodyBytes: number,
  ): Promise<void> {
    this.#requests = targets.map(({ host, path }) =>
      Buffer.from(
        `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nuser-agent: heddle-bench\r\naccept: */*\r\n` +
          'accept-encoding: identity\r\n\r\n',
        'latin1',
      ),
    );
    this.#nextRequest = 0;
    this.#mode = 'paused';
    this.#connecting = true;
    // Reads are consumed before the next one starts, so all connections can share one buffer.
    const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
    await Promise.all(Array.from({ length: count }, () => this.#open(port, buffer, bodyBytes)));
    this.#connecting = false;
  }

  async #connectHttp2(
    { port, connections, targets, bodyBytes }: Extract<GeneratorCommand, { kind: 'connect' }>,
    { streams, use }: { readonly streams: number; readonly use: Http2Use },
  ): Promise<void> {
    this.#targets = targets;
    this.#nextRequest = 0;
    this.#mode = 'paused';
    for (let i = 0; i < connections; i++) {
      const slots = await openHttp2(streams, {
        port,
        bodyBytes,
        use,
        onAnswer: (slot, problem) => this.#answered(slot, problem),
        onLost: (slot, reason) => this.#lost(slot, reason),
      });
      this.#connections.push(...slots);
      this.#idle.push(...slots);
    }
  }

  #open(port: number, buffer: Buffer, bodyBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const scanner = new ResponseScanner(bodyBytes, (problem) => this.#answered(connection, problem));
      const socket = net.connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer,
          callback: (bytes: number, shared: Uint8Array) => {
            scanner.push((shared as Buffer).subarray(0, bytes));
            return true;
          },
        },
      });
      const connection = new Connection(socket);
      socket.once('connect', () => {
        this.#connections.push(connection);
        this.#idle.push(connection);
        resolve();
      });
      socket.once('error', (error) => {
        if (this.#connecting) reject(error);
        else this.#lost(connection, error.message);
      });
      socket.once('close', () => this.#lost(connection, 'connection closed'));
    });
  }

  #send(connection: Carrier, dueAtMs: number): void {
    connection.busy = true;
    connection.sentAtMs = dueAtMs;
    const index = this.#nextRequest;
    const count = connection instanceof Connection ? this.#requests.length : this.#targets.length;
    this.#nextRequest = index + 1 === count ? 0 : index + 1;
    if (connection instanceof Connection) connection.socket.write(this.#requests[index] as Buffer);
    else (connection as Http2Slot).send(this.#targets[index] as RequestTarget);
  }

  #answered(connection: Carrier, problem: string | undefined): void {
    if (!connection.busy) return this.#fail('a response to no request');
    connection.busy = false;
    if (problem === undefined) {
      this.#completed++;
      this.#totalCompleted++;
      if (this.#latencyCount < MAX_LATENCY_SAMPLES) {
        this.#latenciesMs[this.#latencyCount++] = performance.now() - connection.sentAtMs;
      }
    } else this.#fail(problem);

    if (this.#mode === 'closed') return this.#send(connection, performance.now());
    const dueAtMs = this.#waitingSinceMs.shift();
    if (dueAtMs !== undefined) return this.#send(connection, dueAtMs);
    this.#idle.push(connection);
    if (this.#idle.length === this.#connections.length) this.#whenIdle?.();
  }

  #fail(problem: string): void {
    this.#failed++;
    this.#firstFailure ??= problem;
  }

  #lost(connection: Carrier, reason: string): void {
    const index = this.#connections.indexOf(connection);
    if (index === -1) return; // Already taken out, or closed by us.
    this.#connections.splice(index, 1);
    const idleIndex = this.#idle.indexOf(connection);
    if (idleIndex !== -1) this.#idle.splice(idleIndex, 1);
    this.#fail(reason);
    if (this.#idle.length === this.#connections.length) this.#whenIdle?.();
  }

  #untilIdle(): Promise<void> {
    if (this.#idle.length === this.#connections.length) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#fail('requests without an answer after 10 s');
        this.#whenIdle?.();
      }, 10_000);
      this.#whenIdle = () => {
        clearTimeout(timer);
        this.#whenIdle = undefined;
        resolve();
      };
    });
  }

  /**
   * Sends on a schedule of its own. A latency runs from the tick at which the request was due, so that waiting for a
   * free connection counts, and the lateness of the generator's own timer does not (it is reported beside).
   */
  async #openLoop(ratePerSecond: number, seconds: number): Promise<void> {
    this.#mode = 'open';
    this.#mark();
    const startMs = performance.now();
    const total = Math.round(ratePerSecond * seconds);
    let due = 0;
    let lastTickMs = startMs;
    await new Promise<void>((resolve) => {
      const tick = (): void => {
        const nowMs = performance.now();
        if (nowMs - lastTickMs > this.#worstTickMs) this.#worstTickMs = nowMs - lastTickMs;
        lastTickMs = nowMs;
        const target = Math.min(total, Math.floor(((nowMs - startMs) / 1_000) * ratePerSecond));
        for (; due < target; due++) {
          // First in, first out: every connection is used in turn.
          const connection = this.#idle.shift();
          if (connection !== undefined) this.#send(connection, nowMs);
          else if (this.#connections.length === 0) this.#fail('no connection left');
          else this.#waitingSinceMs.push(nowMs);
        }
        if (due < total) setTimeout(tick, 1);
        else resolve();
      };
      tick();
    });
    await this.#untilIdle();
    this.#mode = 'paused';
  }

  #mark(): void {
    this.#completed = 0;
    this.#latencyCount = 0;
    this.#worstTickMs = 0;
    this.#markedAtMs = performance.now();
  }

  /** Latencies of a closed loop say more of the loop than of the proxy: only those of the open one are summed up. */
  #report(withLatencies: boolean): GeneratorReport {
    const elapsedMs = performance.now() - this.#markedAtMs;
    const sorted = this.#latenciesMs.slice(0, withLatencies ? this.#latencyCount : 0).sort();
    const atRatio = (ratio: number): number | undefined =>
      sorted.length === 0 ? undefined : quantile(sorted, ratio) * 1_000;
    return {
      completed: this.#completed,
      totalCompleted: this.#totalCompleted,
      failed: this.#failed,
      firstFailure: this.#firstFailure,
      elapsedMs,
      p50Us: atRatio(0.5),
      p99Us: atRatio(0.99),
      worstTickMs: this.#worstTickMs,
    };
  }
}

const generator = new LoadGenerator();
answerCommands((command: GeneratorCommand) => generator.handle(command));
