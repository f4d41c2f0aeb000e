import type { Socket } from 'node:net';
import type { TcpProbeConfig } from '@heddle/engine';
import { networkFailure, type Probe, type ProbeConnection, type ProbeResult } from './probe.js';

/** More than this without what is waited for is no answer. */
const MOST_ANSWER_BYTES = 64 * 1024;

/**
 * Connects, sends, and waits for the bytes that must come, each after the one before and whatever lies between.
 *
 * Source: envoy.config.core.v3.HealthCheck.TcpHealthCheck.
 */
export class TcpProbe implements Probe {
  readonly #config: TcpProbeConfig;
  readonly #reuseConnection: boolean;
  readonly #connect: () => ProbeConnection;
  #socket: Socket | undefined = undefined;
  #answer: Buffer = Buffer.alloc(0);
  #done: ((result: ProbeResult) => void) | undefined = undefined;

  constructor(config: TcpProbeConfig, reuseConnection: boolean, connect: () => ProbeConnection) {
    this.#config = config;
    this.#reuseConnection = reuseConnection;
    this.#connect = connect;
  }

  run(done: (result: ProbeResult) => void): void {
    this.#done = done;
    this.#answer = Buffer.alloc(0);
    // Where it is enough to connect, an old connection says nothing.
    if (this.#socket !== undefined && this.#config.receive.length === 0) this.#close();
    if (this.#socket !== undefined) {
      this.#send(this.#socket);
      return;
    }
    const { socket, readyEvent } = this.#connect();
    this.#socket = socket;
    let cause = '';
    socket.on('error', (error) => (cause = error.message));
    socket.once(readyEvent, () => this.#send(socket));
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => socket.destroy());
    socket.once('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#finish(networkFailure(cause === '' ? 'the host closed the connection' : cause));
    });
  }

  cancel(): void {
    this.#done = undefined;
    this.#close();
  }

  #send(socket: Socket): void {
    const { send, receive } = this.#config;
    if (send !== '') socket.write(send, 'latin1');
    if (receive.length === 0) this.#finish({ kind: 'passed', degraded: false });
  }

  #onData(chunk: Buffer): void {
    if (this.#done === undefined) return;
    this.#answer = Buffer.concat([this.#answer, chunk]);
    if (containsInOrder(this.#answer, this.#config.receive)) {
      this.#finish({ kind: 'passed', degraded: false });
    } else if (this.#answer.length > MOST_ANSWER_BYTES) {
      this.#close();
      this.#finish(networkFailure('what the host sends is not what is waited for'));
    }
  }

  #finish(result: ProbeResult): void {
    const done = this.#done;
    this.#done = undefined;
    if (!this.#reuseConnection || this.#config.receive.length === 0) this.#close();
    done?.(result);
  }

  #close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}

/** Whether all parts are in the bytes, each after the one before. */
export function containsInOrder(bytes: Buffer, parts: readonly string[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = bytes.indexOf(part, from, 'latin1');
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}
