import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { HeaderMap } from '@heddle/engine';
import { responseHead, type RecordedRequest } from '../../testing/recording-receivers.js';
import { ServerCodecUnderTest } from '../../testing/server-codec-under-test.js';
import { keptHeaderNames } from './header-name.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const keep = (): void => undefined;
const first = (under: ServerCodecUnderTest): RecordedRequest => under.server.requests[0] as RecordedRequest;

/** Lets events of the fake socket happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a downstream HTTP/1.1 connection', () => {
  it('reads the next pipelined request when the answer to the one before it is written', () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive(GET + GET.replace('/', '/2'));
    assert.equal(under.server.requests.length, 1);
    assert.equal(under.socket.isPaused(), true, 'nothing more is read meanwhile');
    first(under).sender.sendResponseHeaders(responseHead(200), true);
    assert.equal(under.server.requests.length, 2);
    assert.equal(under.server.requests[1]?.head?.path, '/2');
    assert.equal(under.socket.isPaused(), false);
  });

  it('answers a thousand pipelined requests without growing the stack', () => {
    const under = new ServerCodecUnderTest();
    under.receive(GET.repeat(1000));
    assert.equal(under.statuses.length, 1000);
  });

  it('writes a head and a small body in one piece', () => {
    const under = new ServerCodecUnderTest({}, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200, { 'content-length': '2' }), false);
      sender.sendResponseData(Buffer.from('hi'), true);
    });
    const writes: unknown[] = [];
    const write = under.socket.write.bind(under.socket);
    under.socket.write = ((...args: Parameters<typeof write>) => {
      writes.push(args[0]);
      return write(...args);
    }) as typeof write;
    under.receive(GET);
    assert.deepEqual(writes, ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi']);
  });

  it('chunks a body of unknown length, and its trailers', () => {
    const under = new ServerCodecUnderTest({}, ({ sender }) => {
      const trailers = new HeaderMap();
      trailers.append('x-t', '1');
      sender.sendResponseHeaders(responseHead(200), false);
      sender.sendResponseData(Buffer.from('hello hello hello'), false);
      sender.sendResponseTrailers(trailers);
    });
    under.receive(GET);
    assert.equal(
      under.socket.text,
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\nhello hello hello\r\n0\r\nx-t: 1\r\n\r\n',
    );
  });

  it('writes no body for HEAD, 204 and 304, whatever it is given', () => {
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const under = new ServerCodecUnderTest({}, ({ sender }) => {
        sender.sendResponseHeaders(responseHead(status, { 'content-length': '2' }), false);
        sender.sendResponseData(Buffer.from('hi'), true);
      });
      under.receive(GET.replace('GET', method));
      assert.ok(under.socket.text.endsWith('\r\n\r\n'), `${method} ${status}`);
      assert.equal(under.socket.text.includes('content-length'), status !== 204);
      under.receive(GET.replace('GET', method));
      assert.equal(under.statuses.length, 2, 'the connection goes on');
    }
  });

  it('cuts the connection when a body is not as long as its head said', () => {
    for (const [body, end] of [
      ['h', true],
      ['hello', true],
    ] as const) {
      const under = new ServerCodecUnderTest({}, ({ sender }) => {
        sender.sendResponseHeaders(responseHead(200, { 'content-length': '2' }), false);
        sender.sendResponseData(Buffer.from(body), end);
      });
      under.receive(GET);
      assert.equal(under.socket.destroyed, true, body);
      assert.ok(!under.socket.text.includes('ell'));
    }
  });

  it('passes on informational responses, but none to HTTP/1.0', () => {
    for (const [version, statuses] of [
      ['1.1', [103, 200]],
      ['1.0', [200]],
    ] as const) {
      const under = new ServerCodecUnderTest({ acceptHttp10: true }, ({ sender }) => {
        sender.sendInformational(responseHead(103, { link: '</a>' }));
        sender.sendResponseHeaders(responseHead(200), true);
      });
      under.receive(GET.replace('1.1', version));
      assert.deepEqual(under.statuses, statuses);
    }
  });

  it('keeps HTTP/1.0 connections only when asked, and ends its bodies by closing', () => {
    const under = new ServerCodecUnderTest({ acceptHttp10: true });
    under.receive('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    assert.match(under.socket.text, /connection: keep-alive/);
    assert.equal(under.socket.writableEnded, false);
    under.receive('GET / HTTP/1.0\r\n\r\n');
    assert.equal(under.socket.writableEnded, true);

    const streaming = new ServerCodecUnderTest({ acceptHttp10: true }, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200), false);
      sender.sendResponseData(Buffer.from('abc'), true);
    });
    streaming.receive('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    assert.ok(streaming.socket.text.endsWith('\r\nconnection: close\r\n\r\nabc'));
    assert.equal(streaming.socket.writableEnded, true);
  });

  it('answers before the end of a request, says that it closes, and lets the client read it', async () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    first(under).sender.sendResponseHeaders(responseHead(413), true);
    assert.match(under.socket.text, /413 .*connection: close/s);
    under.receive(`${'x'.repeat(97)}${GET}`);
    assert.equal(under.server.requests.length, 1, 'what follows is read over');
    await settle();
    assert.equal(under.socket.destroyed, false);
    under.clock.advance(1100);
    assert.equal(under.socket.destroyed, true);
    assert.equal(under.server.requests[0]?.reset, undefined);
  });

  it('removes hop-by-hop fields and what Connection names, but nothing that the proxy relies on', () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Gone, host, x-forwarded-for, content-length, x-heddle-peer\r\n' +
        'X-Gone: 1\r\nX-Forwarded-For: 1.2.3.4\r\nX-Heddle-Peer: p\r\nContent-Length: 0\r\nKeep-Alive: 3\r\n' +
        'Proxy-Connection: x\r\nUpgrade: websocket\r\nTE: gzip, trailers\r\nX-Kept: 1\r\n\r\n',
    );
    const head = first(under).head;
    assert.deepEqual(head?.headers.names, [
      'x-forwarded-for',
      'x-heddle-peer',
      'content-length',
      'x-kept',
      'te',
    ]);
    assert.equal(head?.headers.get('te'), 'trailers');
    assert.equal(head?.upgrade, '', 'Connection does not name it');
    assert.equal(head?.authority, 'a');
  });

  it('drops headers with underscores where it is told to', () => {
    const under = new ServerCodecUnderTest({ headersWithUnderscoresAction: 'drop-header' }, keep);
    under.receive('GET / HTTP/1.1\r\nHost: a\r\nX_User: root\r\nX-User: me\r\n\r\n');
    assert.deepEqual(first(under).head?.headers.names, ['x-user']);
  });

  it('writes values that would split the response as one harmless line', () => {
    const under = new ServerCodecUnderTest({}, ({ sender }) => {
      const head = responseHead(200, {
        'x-a': 'b\r\nx-evil: 1\r\n\r\n',
        'x-b': '\u010a\u010d',
        'bad name': 'x',
      });
      head.headers.append('transfer-encoding', 'chunked');
      sender.sendResponseHeaders(head, true);
    });
    under.receive(GET);
    assert.equal(
      under.socket.text,
      'HTTP/1.1 200 OK\r\nx-a: b  x-evil: 1    \r\nx-b: \xc4\x8a\xc4\x8d\r\ncontent-length: 0\r\n\r\n',
    );
  });

  it('turns into a tunnel by 101, with the bytes that the client sent ahead, and half-closes each way', async () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nearly');
    const request = first(under);
    assert.equal(request.head?.upgrade, 'websocket');
    assert.equal(request.ended, false);
    assert.equal(request.chunks.length, 0, 'nothing is delivered before the answer');
    request.sender.sendResponseHeaders({ ...responseHead(101), upgrade: 'websocket' }, false);
    assert.equal(request.body.toString(), 'early');
    request.sender.sendResponseData(Buffer.from('pong'), false);
    await settle();
    assert.ok(under.socket.text.endsWith('connection: upgrade\r\nupgrade: websocket\r\n\r\npong'));
    under.socket.push(Buffer.from('ping'));
    under.socket.push(null);
    await settle();
    assert.equal(request.body.toString(), 'earlyping');
    assert.equal(request.ended, true);
    assert.equal(under.socket.writableEnded, false, 'our side is still open');
    request.sender.sendResponseData(Buffer.from('last'), true);
    assert.ok(under.socket.text.endsWith('last'));
    assert.equal(under.socket.writableEnded, true);
  });

  it('never takes bytes behind a refused upgrade or CONNECT for a request', () => {
    for (const start of [
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    ]) {
      const under = new ServerCodecUnderTest({}, keep);
      under.receive(start + GET);
      first(under).sender.sendResponseHeaders(responseHead(403), true);
      under.receive(GET);
      assert.deepEqual(under.statuses, [403]);
      assert.equal(under.server.requests.length, 1);
      assert.match(under.socket.text, /connection: close/);
    }
  });

  it('takes an upgrade with a body, or to h2c, for a plain request', () => {
    const under = new ServerCodecUnderTest();
    under.receive(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\na',
    );
    under.receive(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n',
    );
    assert.deepEqual(under.statuses, [200, 200]);
    assert.deepEqual(under.server.requests[1]?.head?.headers.names, []);
  });

  it('tells a request that is under way of a bad chunk, and answers 400 for it', () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
    assert.deepEqual(under.statuses, [400]);
    assert.equal(first(under).reset?.reason, 'protocol-error');
    assert.deepEqual(under.server.errors, []);
  });

  it('only closes on a bad chunk when the response has begun', () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    first(under).sender.sendResponseHeaders(responseHead(200), false);
    under.receive('zz\r\n');
    assert.deepEqual(under.statuses, [200]);
    assert.equal(under.socket.writableEnded, true);
  });

  it('resets the request when the client goes away, in it or while it waits', async () => {
    for (const bytes of ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc', GET]) {
      const under = new ServerCodecUnderTest({}, keep);
      under.receive(bytes);
      under.socket.push(null);
      await settle();
      await settle();
      assert.equal(first(under).reset?.reason, 'connection-termination');
      assert.equal(under.server.closed, true);
      assert.equal(under.clock.nextTimerInMs === undefined || under.socket.destroyed, true);
    }
  });

  it('gives up a head that does not end in time with 408', () => {
    const under = new ServerCodecUnderTest();
    under.receive('GET / HTTP/1.1\r\nHost');
    under.clock.advance(9000);
    under.receive(': a');
    assert.deepEqual(under.statuses, []);
    under.clock.advance(2000);
    assert.deepEqual(under.statuses, [408]);
    assert.equal(under.server.errors[0]?.details, 'request_header_timeout');
    assert.match(under.socket.text, /\r\ncontent-length: 22\r\n/);
    assert.match(under.socket.text, /\r\n\r\nrequest header timeout$/);
  });

  it('answers what is no request in the name of the server, unless that is to pass through', () => {
    for (const [serverHeaderTransformation, expected] of [
      ['overwrite', true],
      ['append-if-absent', true],
      ['pass-through', false],
    ] as const) {
      const under = new ServerCodecUnderTest({ serverName: 'mesh', serverHeaderTransformation });
      under.receive('GET / HTTP/1.1\r\nHost : a\r\n\r\n');
      assert.deepEqual(under.statuses, [400]);
      assert.equal(under.socket.text.includes('\r\nserver: mesh\r\n'), expected);
      assert.equal(under.server.errors[0]?.bodyBytes, 'Bad Request'.length);
    }
  });

  it('answers a request without a host, or with a fragment, without a body', () => {
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'GET /#a HTTP/1.1\r\nHost: a\r\n\r\n']) {
      const under = new ServerCodecUnderTest();
      under.receive(bytes);
      assert.match(under.socket.text, /^HTTP\/1\.1 400 Bad Request\r\ncontent-length: 0\r\ndate: /);
      assert.equal(under.socket.text.includes('content-type'), false);
      assert.equal(under.server.errors[0]?.bodyBytes, 0);
    }
  });

  it('lets out what was answered when a stream is reset in the same turn, and cuts the connection', () => {
    const under = new ServerCodecUnderTest({}, ({ sender }) => {
      sender.sendResponseHeaders(responseHead(200), false);
      sender.reset('protocol-error');
    });
    under.receive(GET);
    assert.equal(under.socket.text, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
    assert.equal(under.socket.destroyed, true);
  });

  it('closes when idle for too long, but not during a request', async () => {
    const under = new ServerCodecUnderTest({ idleTimeoutMs: 10_000 }, keep);
    under.receive(GET);
    under.clock.advance(20_000);
    assert.equal(under.socket.writableEnded, false);
    first(under).sender.sendResponseHeaders(responseHead(200), true);
    under.clock.advance(9000);
    assert.equal(under.socket.writableEnded, false);
    under.clock.advance(2000);
    await settle();
    assert.equal(under.socket.writableEnded, true);
  });

  it('closes nothing for being idle before it has read what came while this thread was busy', async () => {
    for (const isDraining of [false, true]) {
      const under = new ServerCodecUnderTest({ idleTimeoutMs: 10_000 });
      under.receive(GET);
      if (isDraining) under.codec.drain();
      under.clock.advance(11_000);
      under.receive(GET);
      await settle();
      assert.deepEqual(under.statuses, [200, 200]);
      assert.equal(under.socket.writableEnded, isDraining);
      assert.equal(/connection: close\r\n\r\n$/.test(under.socket.text), isDraining);
    }
    // The head that has begun has a bound of its own; then being idle counts anew.
    const slow = new ServerCodecUnderTest({ idleTimeoutMs: 10_000, requestHeadersTimeoutMs: 60_000 });
    slow.clock.advance(11_000);
    slow.receive(GET.slice(0, 5));
    await settle();
    slow.receive(GET.slice(5));
    assert.deepEqual(slow.statuses, [200]);
    slow.clock.advance(11_000);
    await settle();
    assert.equal(slow.socket.writableEnded, true);
  });

  it('does not close right behind an answer that began before the drain and so did not say that it is the last', async () => {
    const under = new ServerCodecUnderTest({}, keep);
    under.receive(GET);
    const { sender } = first(under);
    sender.sendResponseHeaders(responseHead(200), false);
    sender.sendResponseData(Buffer.from('x'), false);
    under.codec.drain();
    sender.sendResponseData(Buffer.alloc(0), true);
    assert.equal(under.socket.writableEnded, false, 'the client may be sending its next request');
    under.receive(GET);
    under.server.requests.at(-1)?.sender.sendResponseHeaders(responseHead(200), true);
    assert.deepEqual(under.statuses, [200, 200]);
    assert.match(under.socket.text, /connection: close\r\n\r\n$/);
    assert.equal(under.socket.writableEnded, true);

    const quiet = new ServerCodecUnderTest({}, keep);
    quiet.receive(GET);
    first(quiet).sender.sendResponseHeaders(responseHead(200), false);
    quiet.codec.drain();
    first(quiet).sender.sendResponseData(Buffer.from('x'), true);
    quiet.clock.advance(520);
    await settle();
    assert.equal(quiet.socket.writableEnded, true, 'nothing came');
  });

  it('drains: soon when nothing comes, after the answer otherwise, and says so', async () => {
    const idle = new ServerCodecUnderTest();
    idle.codec.drain();
    idle.clock.advance(499);
    await settle();
    assert.equal(idle.socket.writableEnded, false);
    idle.clock.advance(20);
    await settle();
    assert.equal(idle.socket.writableEnded, true);
    const late = new ServerCodecUnderTest();
    late.receive(GET);
    late.codec.drain();
    late.receive(GET);
    assert.deepEqual(late.statuses, [200, 200], 'a request that was on its way is answered');
    assert.match(late.socket.text, /connection: close\r\n\r\n$/);
    assert.equal(late.socket.writableEnded, true);
    const busy = new ServerCodecUnderTest({}, keep);
    busy.receive(GET);
    busy.codec.drain();
    assert.equal(busy.socket.writableEnded, false);
    first(busy).sender.sendResponseHeaders(responseHead(200), true);
    assert.match(busy.socket.text, /connection: close/);
    assert.equal(busy.socket.writableEnded, true);
  });

  it('drains a client that is to be told first: idle for as long as ever, and closed behind the next answer', async () => {
    const under = new ServerCodecUnderTest({ idleTimeoutMs: 60_000 });
    under.receive(GET);
    under.codec.drain(false);
    under.clock.advance(50_000);
    await settle();
    assert.equal(under.socket.writableEnded, false);
    under.receive(GET);
    assert.deepEqual(under.statuses, [200, 200]);
    assert.match(under.socket.text, /connection: close\r\n\r\n$/);
    assert.equal(under.socket.writableEnded, true);
    const silent = new ServerCodecUnderTest({ idleTimeoutMs: 60_000 });
    silent.codec.drain(false);
    silent.codec.drain(true);
    silent.clock.advance(520);
    await settle();
    assert.equal(silent.socket.writableEnded, true, 'there is no more time for it');
  });

  it('closes after max_requests_per_connection, and drains after max_connection_duration', async () => {
    const counted = new ServerCodecUnderTest({ maxRequestsPerConnection: 2 });
    counted.receive(GET + GET + GET);
    assert.deepEqual(counted.statuses, [200, 200]);
    assert.match(counted.socket.text, /connection: close\r\n\r\n$/);
    const timed = new ServerCodecUnderTest({ maxConnectionDurationMs: 5000 });
    timed.receive(GET);
    timed.clock.advance(6000);
    await settle();
    assert.equal(timed.socket.writableEnded, true);
  });

  it('tells the receiver of the watermarks, and pauses reading by count', async () => {
    const under = new ServerCodecUnderTest({}, keep, 1000);
    under.receive(GET);
    const { sender } = first(under);
    under.socket.isStalled = true;
    sender.sendResponseHeaders(responseHead(200), false);
    sender.sendResponseData(Buffer.alloc(20_000), false);
    assert.equal(first(under).aboveHighWatermark, 1);
    assert.ok(sender.bufferedBytes > 1000);
    under.socket.release();
    await settle();
    await settle();
    assert.equal(first(under).belowLowWatermark, 1);
    sender.readDisable(true);
    sender.readDisable(true);
    sender.readDisable(false);
    assert.equal(under.socket.isPaused(), true);
    sender.readDisable(false);
    assert.equal(under.socket.isPaused(), false);
    sender.readDisable(false);
    sender.readDisable(true);
    assert.equal(under.socket.isPaused(), true, 'enabling more often than disabling changes nothing');
  });

  it('leaves no timer behind when it closes', async () => {
    const under = new ServerCodecUnderTest();
    under.receive('GET / HT');
    under.codec.close();
    await settle();
    assert.equal(under.server.closed, true);
    under.clock.advance(3_700_000);
    assert.equal(under.clock.pendingTimers, 0);
  });

  it('keeps a bounded number of header names', () => {
    const under = new ServerCodecUnderTest();
    for (let i = 0; i < 4000; i++) under.receive(`GET / HTTP/1.1\r\nHost: a\r\nx-name-${i}: 1\r\n\r\n`);
    assert.equal(under.statuses.length, 4000);
    assert.ok(keptHeaderNames() <= 2048);
  });
});
