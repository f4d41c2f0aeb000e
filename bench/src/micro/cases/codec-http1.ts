import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { type Clock, systemClock } from '@heddle/common';
import { ClientCodecHttp1, Deadlines, ServerCodecHttp1 } from '@heddle/data-plane';
import { HeaderMap } from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const BODY = Buffer.alloc(1_024, 'x');
const REQUEST = Buffer.from(
  'GET /api/resource-7/items/1k HTTP/1.1\r\nHost: service-7.example\r\n' +
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json, text/plain, */*\r\n' +
    'Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n' +
    'Cookie: session=6f1c9a7b3e5d4820; theme=dark\r\nX-Request-Id: 3f8e0f64-8c0e-4f7e-9a51-3f3bb53d8a17\r\n\r\n',
  'latin1',
);
const RESPONSE = Buffer.concat([
  Buffer.from(
    'HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Type: text/plain\r\n' +
      'Content-Length: 1024\r\nConnection: keep-alive\r\n\r\n',
    'latin1',
  ),
  BODY,
]);

/** Real time, and no timers: nothing of a micro-benchmark may fire later. */
const timerless: Clock = { ...systemClock, setTimer: () => ({ cancel: () => {} }) };

/** The HTTP/1.1 codec alone: no socket, so that system calls are left out. */
export const codecHttp1: readonly MicroCase[] = [
  {
    name: 'codec: HTTP/1.1 server, request in, 1 KB response out',
    create() {
      const socket = new FakeSocket();
      let answered = 0;
      const codec = new ServerCodecHttp1(
        socket as unknown as Socket,
        {
          newStream: (sender) => ({
            onRequestHeaders() {
              answered++;
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
          onProtocolError: (_status, _details, reason) => fail('protocol-error', reason),
          onClose: () => fail('close', 'the connection was closed'),
        },
        {
          config: {
            maxRequestHeadersBytes: 60 * 1_024,
            maxHeadersCount: 100,
            acceptHttp10: false,
            allowAbsoluteUrl: true,
            allowChunkedLength: false,
            headersWithUnderscoresAction: 'allow',
            preserveHeaderCase: false,
            serverName: 'envoy',
            serverHeaderTransformation: 'overwrite',
            enableTrailers: false,
            requestHeadersTimeoutMs: 0,
            idleTimeoutMs: 3_600_000,
            delayedCloseTimeoutMs: 1_000,
            maxConnectionDurationMs: 0,
            maxRequestsPerConnection: 0,
          },
          bufferLimitBytes: 1 << 20,
          deadlines: new Deadlines(timerless),
          id: 1,
          scheme: 'http',
        },
      );
      return (count) => {
        const before = answered;
        for (let i = 0; i < count; i++) codec.receive(REQUEST);
        if (answered - before !== count) throw new Error(`${answered - before} answers to ${count} requests`);
        return socket.written;
      };
    },
  },
  {
    name: 'codec: HTTP/1.1 client, request out, 1 KB response in',
    create() {
      const socket = new FakeSocket();
      let bodyBytes = 0;
      const callbacks = { onStreamDone() {}, onClose: () => fail('close', 'the connection was closed') };
      const codec = new ClientCodecHttp1(socket as unknown as Socket, callbacks, {
        id: 1,
        bufferLimitBytes: 1 << 20,
        maxResponseHeadersBytes: 60 * 1_024,
        maxHeadersCount: 100,
        preserveHeaderCase: false,
        enableTrailers: false,
      });
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
          const stream = codec.newStream();
          stream.attach(receiver);
          stream.sendRequestHeaders(head, true);
          socket.emit('data', RESPONSE);
        }
        if (bodyBytes - before !== count * BODY.length) throw new Error('bodies are missing');
        return socket.written;
      };
    },
  },
];

/** Takes everything at once, as a socket does whose peer keeps up. */
class FakeSocket extends EventEmitter {
  readonly writableLength = 0;
  written = 0;

  write(data: string | Buffer): boolean {
    this.written += data.length;
    return true;
  }

  setNoDelay(): void {}
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  isPaused(): boolean {
    return false;
  }
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
