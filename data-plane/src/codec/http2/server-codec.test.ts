import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { frame, Http2ServerUnderTest } from '../../testing/http2-under-test.js';
import { responseHead } from '../../testing/recording-receivers.js';
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  FrameType,
  MAX_STREAM_ID,
  readId,
  readUint32,
  writeUint32,
} from './frame.js';

const END = Flag.EndStream;

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const ping = (text = '12345678'): Buffer => frame(FrameType.Ping, 0, 0, text);
const rst = (streamId: number): Buffer => frame(FrameType.RstStream, 0, streamId, uint32(ErrorCode.Cancel));
const window = (streamId: number, bytes: number): Buffer =>
  frame(FrameType.WindowUpdate, 0, streamId, uint32(bytes));

describe('an HTTP/2 server connection', () => {
  it('delivers a request with its body and trailers, and answers on its stream', () => {
    const test = new Http2ServerUnderTest({}, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200, { 'X-A': 'b' }), false);
      sender.sendResponseData(Buffer.from('body'), true);
    }).start();
    test.written();
    test.receive(
      test.request(1, 0, [['x-field', 'value']]),
      frame(FrameType.Data, 0, 1, 'some '),
      frame(FrameType.Data, Flag.Padded, 1, '\x03data\0\0\0'),
      test.headers(1, END, [['x-trailer', 't']]),
    );
    const [request] = test.server.requests;
    assert.equal(request?.head?.headers.get('x-field'), 'value');
    assert.equal(request?.head?.version, 'HTTP/2');
    assert.equal(request?.body.toString(), 'some data');
    assert.equal(request?.trailers?.get('x-trailer'), 't');
    const [head, data] = test.written();
    assert.ok(head !== undefined && data !== undefined);
    assert.deepEqual(test.fieldsOf(head), { ':status': '200', 'x-a': 'b' });
    assert.deepEqual(
      [data.type, data.flags, data.streamId, data.payload.toString()],
      [FrameType.Data, END, 1, 'body'],
    );
    assert.equal(test.codec.streams.size, 0);
  });

  it('joins cookies, takes the host where there is no :authority, and leaves it out where there is', () => {
    const test = new Http2ServerUnderTest().start();
    test.receive(
      test.request(1, END, [
        ['cookie', 'a=1'],
        ['cookie', 'b=2'],
        ['host', 'other'],
      ]),
      test.request(3, END, [
        [':method', 'GET'],
        [':scheme', 'HTTPS'],
        [':path', '/'],
        ['host', 'h:80'],
      ]),
    );
    const [one, two] = test.server.requests;
    assert.equal(one?.head?.headers.get('cookie'), 'a=1; b=2');
    assert.equal(one?.head?.authority, 'a');
    assert.equal(one?.head?.headers.has('host'), false);
    assert.deepEqual([two?.head?.authority, two?.head?.scheme], ['h:80', 'https']);
  });

  for (const [title, fields] of [
    ['an upper-case name', [['X-A', 'b']]],
    ['a connection field', [['connection', 'close']]],
    ['transfer-encoding', [['transfer-encoding', 'chunked']]],
    ['te that is not trailers', [['te', 'gzip']]],
    ['a line break in a value', [['x-a', 'b\r\nc: d']]],
    ['NUL in a value', [['x-a', 'b\0']]],
    ['space around a value', [['x-a', ' b']]],
    ['a name with a space', [['x a', 'b']]],
    ['an unknown pseudo-header', [[':other', 'b']]],
    [
      'a pseudo-header behind a field',
      [
        ['x-a', 'b'],
        [':authority', 'c'],
      ],
    ],
    [
      'two lengths',
      [
        ['content-length', '0'],
        ['content-length', '0'],
      ],
    ],
    ['a length without a body', [['content-length', '4']]],
    [
      'a method with a space',
      [
        [':method', 'GET /admin'],
        [':scheme', 'http'],
        [':path', '/'],
      ],
    ],
    [
      'a path with a space',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/a HTTP/1.1'],
      ],
    ],
    [
      'a path with a fragment',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/a#b'],
      ],
    ],
    [
      'no path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
      ],
    ],
    [
      'an authority with user information',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'a@b'],
      ],
    ],
    [
      'CONNECT with a path',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
        [':path', '/'],
        [':scheme', 'http'],
      ],
    ],
    [
      'extended CONNECT that was not offered',
      [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':authority', 'a'],
        [':path', '/'],
        [':scheme', 'http'],
      ],
    ],
  ] as const) {
    it(`resets a stream whose request has ${title}, and goes on`, () => {
      const test = new Http2ServerUnderTest().start();
      test.written();
      test.receive(test.request(1, END, fields));
      const [reset] = test.written();
      assert.deepEqual([reset?.type, reset?.streamId], [FrameType.RstStream, 1]);
      assert.equal(readUint32(reset?.payload as Buffer, 0), ErrorCode.ProtocolError);
      assert.equal(test.server.requests.filter(({ head }) => head !== undefined).length, 0);
      test.receive(test.request(3, END));
      assert.equal(test.server.requests.at(-1)?.head?.path, '/');
    });
  }

  it('takes a name that somebody else has sent in upper case', () => {
    const test = new Http2ServerUnderTest().start();
    test.receive(test.request(1, END, [['X-Seen-First-In-Upper-Case', 'a']]));
    test.receive(test.request(3, END, [['x-seen-first-in-upper-case', 'b']]));
    assert.equal(test.server.requests.at(-1)?.head?.headers.get('x-seen-first-in-upper-case'), 'b');
  });

  it('counts cookies and hosts that cost a byte each as what they decode to', () => {
    const test = new Http2ServerUnderTest({ maxRequestHeadersBytes: 8000 }).start();
    test.written();
    const crumb = ['cookie', 'c'.repeat(500)] as const;
    test.receive(
      test.request(
        1,
        END,
        Array.from({ length: 100 }, () => crumb),
      ),
    );
    const [head] = test.written();
    assert.ok(head !== undefined);
    assert.equal(test.fieldsOf(head)[':status'], '431');
    assert.equal(test.counter('header_overflow'), 1);
    // The tables of both sides are still alike.
    test.receive(test.request(3, END, [crumb]));
    assert.equal(test.server.requests.at(-1)?.head?.headers.get('cookie')?.length, 500);
  });

  it('resets a stream whose body is not as long as it says', () => {
    const test = new Http2ServerUnderTest().start();
    test.receive(test.request(1, 0, [['content-length', '3']]), frame(FrameType.Data, END, 1, 'ab'));
    assert.equal(test.server.requests[0]?.reset?.reason, 'protocol-error');
    test.receive(test.request(3, 0, [['content-length', '3']]), frame(FrameType.Data, 0, 3, 'abcd'));
    assert.equal(test.server.requests[1]?.reset?.reason, 'protocol-error');
    assert.equal(test.server.requests[1]?.body.length, 0);
  });

  it('refuses trailers that do not end the stream', () => {
    const test = new Http2ServerUnderTest().start();
    test.receive(test.request(1, 0), test.headers(1, 0, [['x-a', 'b']]));
    assert.equal(test.server.requests[0]?.reset?.reason, 'protocol-error');
    assert.equal(test.server.requests[0]?.trailers, undefined);
  });

  it('refuses streams above the number that it offers, and takes others later', () => {
    const test = new Http2ServerUnderTest({ http2: { maxConcurrentStreams: 2 } }).start();
    test.written();
    test.receive(
      test.request(1, 0),
      test.request(3, 0),
      test.request(5, 0),
      frame(FrameType.Data, END, 5, 'x'),
    );
    const resets = test.written().filter(({ type }) => type === FrameType.RstStream);
    assert.deepEqual(
      resets.map(({ streamId, payload }) => [streamId, readUint32(payload, 0)]),
      [[5, ErrorCode.RefusedStream]],
    );
    assert.equal(test.counter('refused_streams'), 1);
    test.receive(frame(FrameType.Data, END, 1, ''), test.request(7, END));
    assert.equal(test.server.requests.length, 3);
  });

  it('sends a body within the windows of stream and connection, and the rest when they grow', () => {
    const body = Buffer.alloc(200_000, 'abcdefg');
    const test = new Http2ServerUnderTest({}, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200), false);
      sender.sendResponseData(body, true);
    }).start();
    test.written();
    test.receive(test.request(1, END));
    const received: Buffer[] = [];
    const take = (): number => {
      const chunks = test
        .written()
        .flatMap(({ type, payload }) => (type === FrameType.Data ? [payload] : []));
      received.push(...chunks);
      return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    };
    assert.equal(take(), DEFAULT_WINDOW);
    test.receive(window(1, 100_000));
    assert.equal(take(), 0);
    test.receive(window(0, 70_000));
    assert.equal(take(), 70_000);
    test.receive(window(0, 1_000_000), window(1, 1_000_000));
    take();
    assert.ok(Buffer.concat(received).equals(body));
    assert.equal(test.codec.streams.size, 0);
  });

  it('puts many small pieces of a body that wait for a window together', () => {
    const test = new Http2ServerUnderTest({}, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200), false);
      for (let i = 0; i < 5000; i++) sender.sendResponseData(Buffer.from([i & 0xff]), i === 4999);
    });
    test.start();
    test.receive(frame(FrameType.Settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), test.request(1, END));
    test.written();
    test.receive(window(1, 5000));
    const frames = test.written();
    assert.ok(frames.length <= 2, `${frames.length} frames`);
    assert.equal(Buffer.concat(frames.map(({ payload }) => payload)).length, 5000);
    assert.equal(frames.at(-1)?.flags, END);
  });

  it('tells of what waits for a slow client, and when it waits no more', () => {
    const test = new Http2ServerUnderTest(
      {},
      ({ sender }) => {
        sender.sendResponseHeaders(responseHead(200), false);
        sender.sendResponseData(Buffer.alloc(DEFAULT_WINDOW + 50_000), false);
      },
      32_768,
    ).start();
    test.receive(test.request(1, END));
    const request = test.server.requests[0];
    assert.deepEqual([request?.aboveHighWatermark, request?.belowLowWatermark], [1, 0]);
    test.receive(window(0, 50_000), window(1, 50_000));
    assert.deepEqual([request?.aboveHighWatermark, request?.belowLowWatermark], [1, 1]);
  });

  it('sends no trailers on a stream that is given up when it is told that there is room again', () => {
    const test = new Http2ServerUnderTest({}, () => undefined, 32_768).start();
    test.receive(test.request(1, 0));
    const request = test.server.requests[0];
    assert.ok(request !== undefined);
    request.onBelowWriteBufferLowWatermark = () => request.sender.reset('overflow');
    request.sender.sendResponseHeaders(responseHead(200), false);
    request.sender.sendResponseData(Buffer.alloc(DEFAULT_WINDOW + 50_000), false);
    request.sender.sendResponseTrailers(responseHead(200, { 'x-trailer': 't' }).headers);
    test.written();
    test.receive(window(0, 50_000), window(1, 50_000));
    const types = test.written().map(({ type }) => type);
    assert.deepEqual(
      types.filter((type) => type !== FrameType.Data),
      [FrameType.RstStream],
    );
  });

  it('gives a stream no more window while nobody reads it, and the connection all the same', () => {
    const test = new Http2ServerUnderTest({ http2: { initialConnectionWindowBytes: 65_535 } }).start();
    test.receive(test.request(1, 0));
    const [request] = test.server.requests;
    request?.sender.readDisable(true);
    test.written();
    const chunk = Buffer.alloc(16_000);
    for (let i = 0; i < 12; i++) test.receive(frame(FrameType.Data, 0, 1, chunk));
    const updates = (): number[] =>
      test.written().flatMap(({ type, streamId }) => (type === FrameType.WindowUpdate ? [streamId] : []));
    const whilePaused = updates();
    assert.ok(whilePaused.length > 0 && whilePaused.every((streamId) => streamId === 0));
    request?.sender.readDisable(false);
    assert.deepEqual(updates(), [1]);
  });

  it('lets the window of the connection run out when streams hold too much that nobody reads', () => {
    const test = new Http2ServerUnderTest({}).start();
    const chunk = Buffer.alloc(16_000);
    let left = DEFAULT_WINDOW;
    let sent = 0;
    const credit = (): void => {
      for (const { type, streamId, payload } of test.written()) {
        if (type === FrameType.WindowUpdate && streamId === 0) left += readUint32(payload, 0);
      }
    };
    credit();
    for (let id = 1; left >= chunk.length && id < 400; id += 2) {
      test.receive(test.request(id, 0));
      test.server.requests.at(-1)?.sender.readDisable(true);
      for (let i = 0; i < 16 && left >= chunk.length; i++) {
        test.receive(frame(FrameType.Data, 0, id, chunk));
        left -= chunk.length;
        sent += chunk.length;
        credit();
      }
    }
    assert.ok(sent > 16 * 1024 * 1024 && sent < 18 * 1024 * 1024, `${sent} bytes were taken`);
    for (const { sender } of test.server.requests.slice(0, 40)) sender.readDisable(false);
    credit();
    assert.ok(left >= 512 * 1024, `${left} bytes may be sent`);
  });

  it('ends a connection that sends more than its windows', () => {
    const test = new Http2ServerUnderTest({ http2: { initialStreamWindowBytes: 65_535 } }).start();
    test.receive(test.request(1, 0));
    test.server.requests[0]?.sender.readDisable(true);
    test.written();
    for (let i = 0; i < 5; i++) test.receive(frame(FrameType.Data, 0, 1, Buffer.alloc(16_000)));
    const reset = test.written().find(({ type }) => type === FrameType.RstStream);
    assert.equal(readUint32(reset?.payload as Buffer, 0), ErrorCode.FlowControlError);
  });

  it('ends in two steps when it drains: what comes before the client knows is answered', () => {
    const test = new Http2ServerUnderTest({}, () => undefined).start();
    test.receive(test.request(1, END));
    test.written();
    test.codec.drain();
    const [first, pinged] = test.written();
    assert.equal(readId(first?.payload as Buffer, 0), MAX_STREAM_ID);
    test.receive(test.request(3, END), frame(FrameType.Ping, Flag.Ack, 0, pinged?.payload as Buffer));
    const [second] = test.written();
    assert.deepEqual([second?.type, readId(second?.payload as Buffer, 0)], [FrameType.GoAway, 3]);
    test.receive(test.request(5, END));
    assert.equal(test.server.requests.length, 2);
    assert.equal(test.socket.hasEnded, false);
    for (const { sender } of test.server.requests) sender.sendResponseHeaders(responseHead(200), true);
    assert.equal(test.socket.hasEnded, true);
  });

  it('drains by time where the client does not answer, and after its longest life', () => {
    const test = new Http2ServerUnderTest({ maxConnectionDurationMs: 60_000, drainTimeoutMs: 5000 }).start();
    test.written();
    test.clock.advance(62_000);
    assert.equal(test.goAway(), ErrorCode.NoError);
    test.clock.advance(6000);
    assert.equal(test.socket.hasEnded, true);
  });

  it('waits for a client that takes its time to answer, where the drain allows it', () => {
    const test = new Http2ServerUnderTest({ drainTimeoutMs: 5000 }).start();
    test.receive(test.request(1, END));
    test.written();
    test.codec.drain(false);
    const [first, pinged] = test.written();
    assert.equal(readId(first?.payload as Buffer, 0), MAX_STREAM_ID);
    test.clock.advance(20_000);
    assert.deepEqual(test.written(), []);
    test.receive(test.request(3, END), frame(FrameType.Ping, Flag.Ack, 0, pinged?.payload as Buffer));
    const goAway = test.written().find(({ type }) => type === FrameType.GoAway);
    assert.equal(readId(goAway?.payload as Buffer, 0), 3);
    assert.equal(test.socket.hasEnded, true);
    const silent = new Http2ServerUnderTest({ drainTimeoutMs: 5000 }).start();
    silent.codec.drain(false);
    silent.codec.drain(true);
    silent.codec.drain(true);
    silent.clock.advance(6000);
    assert.equal(silent.socket.hasEnded, true, 'there is no more time for it');
  });

  it('refuses streams that come after the second step, whatever comes of them, and answers the others', () => {
    const test = new Http2ServerUnderTest({ drainTimeoutMs: 5000 }).start();
    test.receive(test.request(1, 0));
    test.codec.drain();
    test.clock.advance(6000);
    test.written();
    test.receive(
      test.request(3, 0),
      frame(FrameType.Data, 0, 3, 'on its way'),
      window(3, 1),
      test.headers(3, END, [['x-trailer', 't']]),
      frame(FrameType.Data, END, 1),
    );
    const frames = test.written();
    assert.equal(test.goAway(frames), undefined);
    const resets = frames.filter(({ type }) => type === FrameType.RstStream);
    assert.deepEqual(
      resets.map(({ streamId, payload }) => [streamId, readUint32(payload, 0)]),
      [[3, ErrorCode.RefusedStream]],
    );
    assert.equal(frames.find(({ type }) => type === FrameType.Headers)?.streamId, 1);
  });

  it('bears what was on its way of a thousand requests that were answered before their bodies', () => {
    const test = new Http2ServerUnderTest().start();
    const ids = Array.from({ length: 1000 }, (_, i) => 1 + 2 * i);
    test.receive(...ids.map((id) => test.request(id, 0)));
    for (const { sender } of test.server.requests) sender.sendResponseHeaders(responseHead(403), true);
    test.written();
    test.receive(...ids.map((id) => frame(FrameType.Data, 0, id, 'x')));
    assert.deepEqual(test.written(), []);
  });

  it('ends a connection that asks and asks and reads no answer', () => {
    const test = new Http2ServerUnderTest({ http2: { maxOutboundFrames: 100 } }).start();
    test.socket.isStalled = true;
    for (let i = 0; i < 200; i++) {
      test.receive(test.request(1 + 2 * i, END));
      test.codec.output.flush();
    }
    assert.ok(test.server.requests.length <= 110, `${test.server.requests.length} were answered`);
    assert.equal(test.counter('outbound_flood'), 1);
  });

  it('is done with a tunnel that is refused, whether its client ends it or not', () => {
    const test = new Http2ServerUnderTest({ http2: { allowConnect: true } }).start();
    const connect = [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ] as const;
    const extended = [...connect, [':protocol', 'websocket'], [':scheme', 'http'], [':path', '/']] as const;
    test.receive(test.request(1, 0, connect), test.request(3, 0, extended));
    test.server.requests[0]?.sender.sendResponseHeaders(responseHead(404), true);
    test.server.requests[1]?.sender.sendResponseHeaders(responseHead(200), true);
    assert.equal(test.codec.streams.size, 0);
  });

  it('closes when nothing was asked for long enough, and not while a stream is open', () => {
    const test = new Http2ServerUnderTest({ idleTimeoutMs: 10_000 }, () => undefined).start();
    test.receive(test.request(1, END));
    test.clock.advance(30_000);
    assert.equal(test.goAway(), undefined);
    test.server.requests[0]?.sender.sendResponseHeaders(responseHead(200), true);
    test.written();
    test.clock.advance(11_000);
    const frames = test.written();
    assert.equal(test.goAway(frames), ErrorCode.NoError);
    // What the client sends before it knows is served.
    const [pinged] = frames.filter(({ type }) => type === FrameType.Ping);
    test.receive(test.request(3, END), frame(FrameType.Ping, Flag.Ack, 0, pinged?.payload as Buffer));
    test.server.requests[1]?.sender.sendResponseHeaders(responseHead(200), true);
    assert.equal(test.socket.hasEnded, true);
  });

  it('pings a client that is silent, and gives it up when no answer comes', () => {
    const test = new Http2ServerUnderTest({
      http2: { keepaliveIntervalMs: 1000, keepaliveTimeoutMs: 500, keepaliveJitterRatio: 0 },
    }).start();
    test.written();
    test.clock.advance(1100);
    const asked = test.written().find(({ type }) => type === FrameType.Ping);
    test.receive(frame(FrameType.Ping, Flag.Ack, 0, asked?.payload as Buffer));
    test.clock.advance(900);
    assert.equal(test.socket.destroyed, false);
    test.clock.advance(1500);
    assert.equal(test.socket.destroyed, true);
    assert.equal(test.counter('keepalive_timeout'), 1);
  });

  it('gives up a header block that does not end in time', () => {
    const test = new Http2ServerUnderTest({ requestHeadersTimeoutMs: 1000 }).start();
    test.receive(test.request(1, END).subarray(0, 12));
    test.clock.advance(2000);
    assert.equal(test.goAway(), ErrorCode.EnhanceYourCalm);
  });

  it('gives each header block its time, of a client that always has one under way', () => {
    const test = new Http2ServerUnderTest({ requestHeadersTimeoutMs: 1000 }).start();
    const requests = Buffer.concat([1, 3, 5, 7, 9].map((id) => test.request(id, END)));
    const each = requests.length / 5;
    for (let i = 0; i < 5; i++) {
      test.receive(requests.subarray(Math.max(0, i * each - 3), (i + 1) * each - 3));
      test.clock.advance(700);
    }
    assert.equal(test.goAway(), undefined);
    assert.equal(test.server.requests.length, 4);
    test.clock.advance(700);
    assert.equal(test.goAway(), ErrorCode.EnhanceYourCalm);
  });

  it('answers 431 to a head that becomes too large by its CONTINUATION frames, and goes on', () => {
    const test = new Http2ServerUnderTest({ maxRequestHeadersBytes: 20_000 }).start();
    test.written();
    const long = (i: number): [string, string] => ['x-long', String(i).padEnd(900, 'v')];
    const whole = test.request(1, 0, [...times(60, long), ['x-kept', 'in the table']]).subarray(9);
    assert.ok(whole.length > 40_000);
    const parts = times(Math.ceil(whole.length / 9000), (i) => whole.subarray(9000 * i, 9000 * (i + 1)));
    test.receive(
      ...parts.map((part, i) =>
        frame(
          i === 0 ? FrameType.Headers : FrameType.Continuation,
          (i === 0 ? END : 0) | (i === parts.length - 1 ? Flag.EndHeaders : 0),
          1,
          part,
        ),
      ),
    );
    const [head] = test.written();
    assert.ok(head !== undefined);
    assert.equal(test.fieldsOf(head)[':status'], '431');
    assert.equal(test.counter('header_overflow'), 1);
    // The tables of both sides are still alike.
    test.receive(test.request(3, END, [['x-kept', 'in the table']]));
    assert.equal(test.server.requests.at(-1)?.head?.headers.get('x-kept'), 'in the table');
  });

  it('ends a connection whose header block never ends', () => {
    const test = new Http2ServerUnderTest({ maxRequestHeadersBytes: 20_000 }).start();
    test.written();
    test.receive(frame(FrameType.Headers, 0, 1, Buffer.alloc(10_000, 0x82)));
    for (let sent = 20_000; sent <= 80_000; sent += 10_000) {
      test.receive(frame(FrameType.Continuation, 0, 1, Buffer.alloc(10_000, 0x82)));
      assert.equal(test.goAway(), undefined);
    }
    test.receive(frame(FrameType.Continuation, 0, 1, Buffer.alloc(10_000, 0x82)));
    assert.equal(test.goAway(), ErrorCode.EnhanceYourCalm);
    assert.equal(test.counter('header_overflow'), 1);
  });

  it('ends a connection one of whose fields never ends', () => {
    const test = new Http2ServerUnderTest({ maxRequestHeadersBytes: 60_000 }).start();
    test.written();
    // A name of one byte, and a value of 2^27.
    test.receive(frame(FrameType.Headers, 0, 1, Buffer.from([0x40, 1, 0x61, 0x7f, 0x81, 0xff, 0xff, 0x3f])));
    let frames = 0;
    while (test.goAway() === undefined && ++frames < 20)
      test.receive(frame(FrameType.Continuation, 0, 1, Buffer.alloc(16_000, 0x61)));
    assert.ok(frames * 16_000 < 100_000, `${frames} frames`);
  });

  it('puts a header block of very many small parts together', () => {
    const test = new Http2ServerUnderTest().start();
    const whole = test.request(1, 0, [['x-long', 'v'.repeat(5000)]]).subarray(9);
    const parts = [...whole.subarray(1)].map((byte, i) =>
      frame(FrameType.Continuation, i === whole.length - 2 ? Flag.EndHeaders : 0, 1, Buffer.from([byte])),
    );
    test.receive(frame(FrameType.Headers, END, 1, whole.subarray(0, 1)), ...parts);
    assert.equal(test.server.requests[0]?.head?.headers.get('x-long'), 'v'.repeat(5000));
  });

  it('ends a connection that resets what it asks for over and over', () => {
    const test = new Http2ServerUnderTest({}, () => undefined).start();
    let streams = 0;
    for (let id = 1; id < 20_000 && !test.socket.hasEnded; id += 2, streams++)
      test.receive(test.request(id, END), rst(id));
    assert.ok(streams <= 500, `${streams} streams`);
    assert.equal(test.goAway(), ErrorCode.EnhanceYourCalm);
    assert.equal(test.counter('inbound_reset_flood'), 1);
  });

  it('ends a connection that has its streams reset by faults of its own', () => {
    const test = new Http2ServerUnderTest({}, () => undefined).start();
    for (let id = 1; id < 3000 && !test.socket.hasEnded; id += 2)
      test.receive(test.request(id, END), window(id, 0));
    assert.equal(test.goAway(), ErrorCode.EnhanceYourCalm);
  });

  it('lets clients cancel what has run for a while', () => {
    const test = new Http2ServerUnderTest({}, () => undefined).start();
    for (let id = 1; id < 3000; id += 2) {
      test.receive(test.request(id, END));
      test.clock.advance(1500);
      test.receive(rst(id));
    }
    assert.equal(test.goAway(), undefined);
    assert.equal(test.server.requests.length, 1500);
  });

  it('ends a connection that asks for answers and does not read them', () => {
    const test = new Http2ServerUnderTest().start();
    test.written();
    test.socket.isStalled = true;
    for (let i = 0; i < 3000 && !test.codec.socket.writableEnded; i++) {
      test.receive(ping());
      test.codec.output.flush();
    }
    assert.equal(test.counter('outbound_control_flood'), 1);
  });

  for (const [title, counter, bytes] of [
    ['empty DATA', 'inbound_empty_frames_flood', frame(FrameType.Data, 0, 1)],
    ['PRIORITY', 'inbound_priority_frames_flood', frame(FrameType.Priority, 0, 1, '\0\0\0\0\0')],
    ['WINDOW_UPDATE', 'inbound_window_update_frames_flood', window(0, 1)],
  ] as const) {
    it(`ends a connection that sends too many ${title} frames`, () => {
      const test = new Http2ServerUnderTest().start();
      test.receive(test.request(1, 0));
      for (let i = 0; i < 1000; i++) test.receive(bytes);
      assert.equal(test.goAway(), ErrorCode.EnhanceYourCalm);
      assert.equal(test.counter(counter), 1);
    });
  }

  it('tells every request of a connection that breaks, and closes it', () => {
    const test = new Http2ServerUnderTest({}, () => undefined).start();
    test.receive(test.request(1, END), test.request(3, 0), frame(FrameType.Ping, 0, 0, 'short'));
    assert.equal(test.goAway(), ErrorCode.FrameSizeError);
    assert.deepEqual(
      test.server.requests.map(({ reset }) => reset?.reason),
      ['protocol-error', 'protocol-error'],
    );
    test.clock.advance(5000);
    assert.equal(test.socket.destroyed, true);
  });

  it('resets a client that takes nothing of an answer that is done', () => {
    const test = new Http2ServerUnderTest({ streamIdleTimeoutMs: 10_000 }, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200), false);
      sender.sendResponseData(Buffer.alloc(DEFAULT_WINDOW + 10), true);
    }).start();
    test.receive(test.request(1, END));
    assert.equal(test.codec.streams.size, 1);
    test.clock.advance(11_000);
    assert.equal(test.codec.streams.size, 0);
  });

  it('survives any frames', () => {
    const anyFrame = fc
      .tuple(
        fc.integer({ min: 0, max: 10 }),
        fc.nat(255),
        fc.constantFrom(0, 1, 2, 3, 5),
        fc.uint8Array({ maxLength: 30 }),
      )
      .map(([type, flags, id, payload]) => frame(type, flags, id, payload));
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 30 }), (frames) => {
        const test = new Http2ServerUnderTest().start();
        test.receive(test.request(1, 0), test.request(3, END));
        for (const one of frames) test.receive(one);
        test.codec.close();
        assert.ok(test.codec.streams.size <= 1024);
      }),
      { numRuns: 500 },
    );
  });
});
