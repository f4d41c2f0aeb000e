import net from 'node:net';
import { systemClock } from '@heddle/common';
import { ClientCodecHttp2, Deadlines, Http2Stats, StatsStore } from '@heddle/data-plane';
import { DEFAULT_HTTP2_CONFIG, HeaderMap, type RequestHead } from '@heddle/engine';
import type { RequestTarget } from './generator-protocol.js';

/** A call by gRPC: the prefix of a message, and a message. */
export const GRPC_MESSAGE = Buffer.concat([Buffer.of(0, 0, 0, 0, 200), Buffer.alloc(200, 'm')]);

export interface Http2LoadOptions {
  readonly port: number;
  /** What each answer has to be long. */
  readonly bodyBytes: number;
  /** Calls by gRPC, whose status has to be 0. */
  readonly grpc: boolean;
  readonly onAnswer: (slot: Http2Slot, problem: string | undefined) => void;
  readonly onLost: (slot: Http2Slot, reason: string) => void;
}

/** One stream at a time of a connection that has several. */
export class Http2Slot {
  readonly #codec: ClientCodecHttp2;
  readonly #options: Http2LoadOptions;
  busy = false;
  sentAtMs = 0;

  constructor(codec: ClientCodecHttp2, options: Http2LoadOptions) {
    this.#codec = codec;
    this.#options = options;
  }

  send(target: RequestTarget): void {
    const { bodyBytes, grpc, onAnswer } = this.#options;
    let received = 0;
    let problem: string | undefined;
    const finish = (found: string | undefined): void => {
      problem ??= found;
      if (received !== bodyBytes) problem ??= `${received} bytes instead of ${bodyBytes}`;
      onAnswer(this, problem);
    };
    const stream = this.#codec.newStream();
    stream.attach({
      onInformational() {},
      onResponseHeaders(head, endStream) {
        if (head.status !== 200) problem = `status ${head.status}`;
        if (endStream) finish(grpc ? 'no trailers' : undefined);
      },
      onResponseData(chunk, endStream) {
        received += chunk.length;
        if (endStream) finish(grpc ? 'no trailers' : undefined);
      },
      onResponseTrailers(trailers) {
        const status = trailers.get('grpc-status');
        finish(status === '0' ? undefined : `grpc-status ${status}`);
      },
      onReset: (reason, details) => onAnswer(this, `${reason}: ${details}`),
      onAboveWriteBufferHighWatermark() {},
      onBelowWriteBufferLowWatermark() {},
    });
    stream.sendRequestHeaders(headOf(target, grpc), !grpc);
    if (grpc) stream.sendRequestData(GRPC_MESSAGE, true);
  }

  close(): void {
    this.#codec.close();
  }
}

const stats = new Http2Stats(new StatsStore(), 'http2', []);
const deadlines = new Deadlines(systemClock);
let lastId = 0;

/** Opens one connection, for so many streams at once. */
export function openHttp2(streams: number, options: Http2LoadOptions): Promise<Http2Slot[]> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port: options.port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      let slots: Http2Slot[] = [];
      const codec = new ClientCodecHttp2(
        socket,
        {
          onRoom() {},
          onStreamDone() {},
          onGoAway: () => slots.forEach((slot) => options.onLost(slot, 'GOAWAY')),
          onClose: () => slots.forEach((slot) => options.onLost(slot, 'connection closed')),
        },
        {
          id: ++lastId,
          http2: DEFAULT_HTTP2_CONFIG,
          stats,
          deadlines,
          bufferLimitBytes: 0,
          maxResponseHeadersBytes: 64 * 1_024,
          maxHeadersCount: 100,
        },
      );
      slots = Array.from({ length: streams }, () => new Http2Slot(codec, options));
      resolve(slots);
    });
  });
}

function headOf({ host, path }: RequestTarget, grpc: boolean): RequestHead {
  const headers = new HeaderMap();
  headers.append('user-agent', 'heddle-bench');
  if (grpc) {
    headers.append('content-type', 'application/grpc');
    headers.append('te', 'trailers');
    headers.append('grpc-timeout', '10S');
  } else {
    headers.append('accept', '*/*');
    headers.append('accept-encoding', 'identity');
  }
  const method = grpc ? 'POST' : 'GET';
  return { method, scheme: 'http', authority: host, path, headers, version: 'HTTP/2', upgrade: '' };
}
