import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { constants, type IncomingHttpHeaders } from 'node:http2';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { systemClock } from '@heddle/common';
import { DEFAULT_HTTP2_CONFIG, HeaderMap } from '@heddle/engine';
import { Http2Client, startHttp2Backend } from '../../testing/http2-peers.js';
import { HTTP2_SERVER_CONFIG } from '../../testing/http2-under-test.js';
import { RecordedResponse, requestHead } from '../../testing/recording-receivers.js';
import { StatsStore } from '../../stats/stats-store.js';
import { Deadlines } from '../http1/deadline-queue.js';
import { ClientCodecHttp2 } from './client-codec.js';
import { Http2Stats } from './http2-stats.js';
import { ServerCodecHttp2 } from './server-codec.js';

/** Names that nobody has, so that neither side does something of its own with them; few, so that tables are used. */
const name = fc.constantFrom('x-a', 'x-b', 'x-long-name-that-takes-its-place', 'x-d_e', 'x-9');
const value = fc.oneof(
  fc.constantFrom('', 'a', 'the same value again and again', 'z'.repeat(3000)),
  fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/),
);
const fields = fc.uniqueArray(fc.tuple(name, value), { maxLength: 5, selector: ([key]) => key });
const bodies = fc
  .array(fc.nat(40_000), { maxLength: 3 })
  .map((lengths) => lengths.map((length, i) => Buffer.alloc(length, i + 1)));

/** What is sent for one message, and has to come back. */
const message = fc.record({ fields, body: bodies });

const stats = new Http2Stats(new StatsStore(), 'http2', []);
const deadlines = new Deadlines(systemClock);

function ours(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key.startsWith('x-')));
}

describe("our codec and Node's, on one connection", () => {
  const sockets = new Set<Socket>();
  let server: Server;
  let client: Http2Client;
  let backend: Awaited<ReturnType<typeof startHttp2Backend>>;
  let codec: ClientCodecHttp2;

  before(async () => {
    server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      new ServerCodecHttp2(
        socket,
        {
          // Echoes: fields, body and trailers.
          newStream: (sender) => ({
            onRequestHeaders(head, endStream) {
              const headers = new HeaderMap();
              head.headers.names.forEach((key, i) => headers.append(key, head.headers.values[i] ?? ''));
              sender.sendResponseHeaders({ status: 200, headers, upgrade: '' }, endStream);
            },
            onRequestData: (chunk, endStream) => sender.sendResponseData(chunk, endStream),
            onRequestTrailers: (trailers) => sender.sendResponseTrailers(trailers),
            onReset: () => undefined,
            onAboveWriteBufferHighWatermark: () => sender.readDisable(true),
            onBelowWriteBufferLowWatermark: () => sender.readDisable(false),
          }),
          onProtocolError: () => undefined,
          onClose: () => undefined,
        },
        { config: HTTP2_SERVER_CONFIG, bufferLimitBytes: 32_768, deadlines, stats, id: 1, scheme: 'http' },
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = new Http2Client((server.address() as AddressInfo).port);
    backend = await startHttp2Backend((stream, headers) => {
      stream.respond({ ...ours(headers), [constants.HTTP2_HEADER_STATUS]: 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.pipe(stream);
    });
    const socket = connect(backend.port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    const callbacks = { onRoom() {}, onStreamDone() {}, onGoAway() {}, onClose() {} };
    codec = new ClientCodecHttp2(socket, callbacks, {
      id: 1,
      http2: DEFAULT_HTTP2_CONFIG,
      stats,
      deadlines,
      bufferLimitBytes: 0,
      maxResponseHeadersBytes: 60 * 1024,
      maxHeadersCount: 100,
    });
  });

  after(async () => {
    client.close();
    codec.close();
    deadlines.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
    await backend.close();
  });

  it('agree on any fields and bodies that a client of Node sends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 6 }), async (messages) => {
        const answers = await Promise.all(
          messages.map(({ fields: sent, body }) =>
            client.request(
              { ':method': 'POST', ':path': '/', ...Object.fromEntries(sent) },
              Buffer.concat(body),
              {
                trailers: { 'x-trailer': 'yes' },
              },
            ),
          ),
        );
        answers.forEach(({ headers, body, trailers }, i) => {
          assert.deepEqual(ours(headers), Object.fromEntries(messages[i]?.fields ?? []));
          assert.ok(body.equals(Buffer.concat(messages[i]?.body ?? [])));
          assert.equal(trailers['x-trailer'], 'yes');
        });
      }),
      { numRuns: 60 },
    );
  });

  it('agree on any fields and bodies that our client sends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 6 }), async (messages) => {
        const answers = await Promise.all(
          messages.map(({ fields: sent, body }) => send(Object.fromEntries(sent), body)),
        );
        answers.forEach((answer, i) => {
          assert.equal(answer.reset, undefined);
          const got = answer.head?.headers;
          const sent = messages[i]?.fields ?? [];
          assert.deepEqual(
            sent.map(([key]) => got?.get(key)),
            sent.map(([, one]) => one),
          );
          assert.ok(answer.body.equals(Buffer.concat(messages[i]?.body ?? [])));
          assert.equal(answer.trailers?.get('x-end'), 'yes');
        });
      }),
      { numRuns: 60 },
    );
  });

  function send(sent: Record<string, string>, body: readonly Buffer[]): Promise<RecordedResponse> {
    return new Promise((resolve) => {
      const response = new RecordedResponse();
      response.onDone = () => resolve(response);
      const stream = codec.newStream();
      stream.attach(response);
      stream.sendRequestHeaders(requestHead('POST', '/', sent), false);
      for (const chunk of body) stream.sendRequestData(chunk, false);
      stream.sendRequestData(Buffer.alloc(0), true);
    });
  }
});
