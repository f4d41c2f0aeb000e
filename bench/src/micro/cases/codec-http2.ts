import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { type Clock, systemClock } from '@heddle/common';
import {
  ClientCodecHttp2,
  Deadlines,
  Http2Stats,
  ServerCodecHttp2,
  StatsStore,
  TurnFlusher,
  type Flushable,
} from '@heddle/data-plane';
import { DEFAULT_HTTP2_CONFIG, HeaderMap } from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const BODY = Buffer.alloc(1_024, 'x');
/** Streams whose frames leave in one write. */
const AT_ONCE = 16;

/** Real time, and no timers: nothing of a micro-benchmark may fire later. */
const timerless: Clock = { ...systemClock, setTimer: () => ({ cancel: () => {} }) };

/** The HTTP/2 codec alone, a client and a server back to back: no socket, so that system calls are left out. */
export const codecHttp2: readonly MicroCase[] = [
  {
    name: `codec: HTTP/2 client and server, request and 1 KB response, ${AT_ONCE} streams at once`,
    create() {
      const flusher = new ManualFlusher();
      const [ours, theirs] = [new PairedSocket(), new PairedSocket()];
      const deadlines = new Deadlines(timerless);
      const stats = new Http2Stats(new StatsStore(), 'http2', []);
      const server = new ServerCodecHttp2(
        theirs as unknown as Socket,
        {
          newStream: (sender) => ({
            onRequestHeaders() {
              const headers = new HeaderMap();
              headers.append('server', 'backend');
              headers.append('content-type', 'text/plain');
              headers.append('content-length', '1024');
              sender.sendResponseHeaders({ status: 200, headers, upgrade: '' }, false);
              sender.sendResponseData(BODY, true);
            },
            onRequestData() {},
            onRequestTrailers() {},
            onReset: fail,
            onAboveWriteBufferHighWatermark() {},
            onBelowWriteBufferLowWatermark() {},
          }),
          onProtocolError: (_status, details, reason) => fail(details, reason),
          onConnectionError: (reason) => fail('connection', reason),
          onClose: () => fail('close', 'the connection was closed'),
        },
        {
          config: {
            maxRequestHeadersBytes: 60 * 1_024,
            maxHeadersCount: 100,
            headersWithUnderscoresAction: 'allow',
            requestHeadersTimeoutMs: 0,
            idleTimeoutMs: 0,
            delayedCloseTimeoutMs: 0,
            maxConnectionDurationMs: 0,
            maxRequestsPerConnection: 0,
            drainTimeoutMs: 0,
            streamIdleTimeoutMs: 0,
            http2: DEFAULT_HTTP2_CONFIG,
          },
          bufferLimitBytes: 0,
          deadlines,
          stats,
          flusher,
          id: 1,
          scheme: 'http',
        },
      );
      const callbacks = { onRoom() {}, onStreamDone() {}, onGoAway: ended, onClose: ended };
      const client = new ClientCodecHttp2(ours as unknown as Socket, callbacks, {
        id: 1,
        http2: DEFAULT_HTTP2_CONFIG,
        bufferLimitBytes: 0,
        deadlines,
        stats,
        flusher,
        maxResponseHeadersBytes: 60 * 1_024,
        maxHeadersCount: 100,
      });
      ours.deliver = (bytes) => server.receive(bytes);
      theirs.deliver = (bytes) => client.receive(bytes);
      flusher.flushAll();
      let bodyBytes = 0;
      const receiver = {
        onInformational() {},
        onResponseHeaders() {},
        onResponseData(chunk: Buffer) {
          bodyBytes += chunk.length;
        },
        onResponseTrailers() {},
        onReset: fail,
        onAboveWriteBufferHighWatermark() {},
        onBelowWriteBufferLowWatermark() {},
      };
      const head = exampleHead('service-7.example', '/api/resource-7/items/1k');
      return (count) => {
        const before = bodyBytes;
        for (let i = 0; i < count; i++) {
          const stream = client.newStream();
          stream.attach(receiver);
          stream.sendRequestHeaders(head, true);
          if (i % AT_ONCE === AT_ONCE - 1) flusher.flushAll();
        }
        flusher.flushAll();
        if (bodyBytes - before !== count * BODY.length) throw new Error('bodies are missing');
        return bodyBytes;
      };
    },
  },
];

/** Flushes when it is told to, as the end of a turn of the event loop does. */
class ManualFlusher extends TurnFlusher {
  #waiting: Flushable[] = [];

  override add(holder: Flushable): void {
    this.#waiting.push(holder);
  }

  flushAll(): void {
    while (this.#waiting.length > 0) for (const holder of this.#waiting.splice(0)) holder.flush();
  }
}

/** Hands what is written to the other side at once. */
class PairedSocket extends EventEmitter {
  readonly writableLength = 0;
  deliver: (bytes: Buffer) => void = () => undefined;
  #done: () => void = () => undefined;

  write(bytes: Buffer, callback: () => void): boolean {
    // A write is done when the next one comes.
    this.#done();
    this.#done = callback;
    this.deliver(bytes);
    return true;
  }

  setNoDelay(): void {}
  resume(): void {}
  end(): void {
    fail('end', 'the codec ended the connection');
  }
  destroy(): void {
    fail('destroy', 'the codec gave the connection up');
  }
  destroySoon(): void {
    this.destroy();
  }
}

function fail(event: string, reason: string): never {
  throw new Error(`${event}: ${reason}`);
}

function ended(): never {
  fail('close', 'the connection ended');
}
