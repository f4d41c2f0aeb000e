import { connect, type Socket } from 'node:net';
import { Http1Reader, type Http1Message } from './http1-reader.js';

export interface RawExchangeOptions {
  /** Final answers to wait for. Default 1. */
  readonly answers?: number;
  /** The answers have no body, whatever their fields say. */
  readonly isHead?: boolean;
  /** Wait until the other side has closed, whatever the answers say. */
  readonly untilClosed?: boolean;
  /** Sent after an upgrade was answered; the same number of bytes is waited for. */
  readonly tunnel?: string;
  /** Called once with the socket, after the bytes were written. */
  readonly onWritten?: (socket: Socket) => void;
  /** Parts sent after the first, each when an interim or final answer came. */
  readonly thenSend?: readonly (string | Buffer)[];
  /** Where to connect from. */
  readonly localAddress?: string;
  readonly timeoutMs?: number;
}

export interface RawExchange {
  /** Interim answers as well as final ones. */
  readonly answers: readonly Http1Message[];
  /** Whether the other side closed the connection: asked only when an answer announces it, or none is left to come. */
  readonly closed: boolean;
  /** What came back through a tunnel. */
  readonly tunnel: string;
}

/** Writes these bytes on a connection of its own, and reads until the answers are there or the connection is closed. */
export function rawExchange(
  port: number,
  bytes: string | Buffer,
  options: RawExchangeOptions = {},
): Promise<RawExchange> {
  const wanted = options.answers ?? 1;
  return new Promise((resolve, reject) => {
    const answers: Http1Message[] = [];
    const rest = [...(options.thenSend ?? [])];
    let finals = 0;
    let upgraded = false;
    let tunnel = '';
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    const timer = setTimeout(() => {
      socket.destroy();
      const got = answers.map(({ startLine }) => startLine).join(', ') || 'no answer';
      reject(
        new Error(
          `not complete within the time: ${got}, then ${reader.rest.toString('latin1').slice(0, 500)}`,
        ),
      );
    }, options.timeoutMs ?? 5000);
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answers, closed, tunnel });
    };
    const reader = new Http1Reader({
      kind: 'response',
      isHead: () => options.isHead === true,
      onMessage: (message) => {
        answers.push(message);
        const status = message.startLine.split(' ')[1] ?? '';
        upgraded = status === '101' || (options.tunnel !== undefined && status === '200');
        if (upgraded) reader.stop();
        if (upgraded || !status.startsWith('1')) finals++;
        const next = rest.shift();
        if (next !== undefined) socket.write(next);
      },
    });
    const look = (): void => {
      if (upgraded) {
        tunnel += reader.rest.toString('latin1').slice(tunnel.length);
        if (tunnel.length >= (options.tunnel?.length ?? 0)) finish(false);
        return;
      }
      if (finals < wanted || options.untilClosed === true) return;
      const last = answers.at(-1);
      const announced = last?.fields.some(
        ([name, value]) => /^connection$/i.test(name) && /close/i.test(value),
      );
      if (announced !== true) finish(false);
    };
    socket.on('connect', () => {
      socket.write(bytes);
      options.onWritten?.(socket);
    });
    socket.on('data', (chunk: Buffer) => {
      const before = upgraded;
      reader.push(chunk);
      if (upgraded && !before && options.tunnel !== undefined) socket.write(options.tunnel);
      look();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      reader.end();
      finish(true);
    });
  });
}
