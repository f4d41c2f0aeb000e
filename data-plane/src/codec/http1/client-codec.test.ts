import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HeaderMap } from '@heddle/engine';
import { Http1ClientUnderTest } from '../../testing/http1-client-under-test.js';
import { requestHead } from '../../testing/recording-receivers.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Asks, receives, and says what came of it. */
function outcome(
  bytes: string,
  method = 'GET',
): { status: number; body: string; ended: boolean; reusable: boolean; reset: string } {
  const under = new Http1ClientUnderTest();
  const { response } = under.ask(requestHead(method, '/'));
  under.receive(bytes);
  return {
    status: response.head?.status ?? 0,
    body: response.body.toString('latin1'),
    ended: response.ended,
    reusable: under.codec.isReusable,
    reset: response.reset?.reason ?? '',
  };
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';

describe('an upstream HTTP/1.1 connection', () => {
  it('writes requests as their heads say', () => {
    const trailers = new HeaderMap();
    trailers.append('x-t', '1');
    const rows: [head: ReturnType<typeof requestHead>, body: string | undefined, expected: string][] = [
      [
        requestHead('GET', '/p?q', { 'X-A': 'b' }),
        undefined,
        'GET /p?q HTTP/1.1\r\nhost: a\r\nx-a: b\r\n\r\n',
      ],
      [requestHead('POST', '/'), undefined, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'],
      [
        requestHead('POST', '/', { 'content-length': '3' }),
        'abc',
        'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc',
      ],
      [
        requestHead('PUT', '/'),
        'abc',
        'PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      ],
      [
        requestHead('GET', '/', { te: 'trailers' }),
        undefined,
        'GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n',
      ],
    ];
    for (const [head, body, expected] of rows) {
      const under = new Http1ClientUnderTest();
      const { stream } = under.ask(head, body === undefined);
      if (body !== undefined) stream.sendRequestData(Buffer.from(body), true);
      assert.equal(under.socket.text, expected);
      assert.equal(stream.anythingSent, true);
    }
    const under = new Http1ClientUnderTest();
    const { stream } = under.ask(requestHead('POST', '/'), false);
    assert.equal(stream.anythingSent, false, 'the head is held until the batch ends');
    stream.sendRequestTrailers(trailers);
    assert.ok(under.socket.text.endsWith('\r\n\r\n0\r\nx-t: 1\r\n\r\n'));
  });

  it('never writes a request line that is not one', () => {
    for (const head of [
      requestHead('GET', '/a b'),
      requestHead('GET', '/a\r\nx: y'),
      requestHead('GET', ''),
      requestHead('G ET', '/'),
      { ...requestHead('GET', '/'), authority: 'a\r\nx: y' },
      requestHead('GET', '/\u010a'),
    ]) {
      const under = new Http1ClientUnderTest();
      const { response } = under.ask(head);
      assert.equal(under.socket.text, '');
      assert.equal(response.reset?.reason, 'protocol-error');
      assert.equal(under.done, 1);
    }
  });

  it('frames responses as RFC 9112 section 6.3 says', () => {
    const row = (status: number, body: string, ended: boolean, reusable: boolean) => ({
      status,
      body,
      ended,
      reusable,
      reset: '',
    });
    assert.deepEqual(outcome(OK), row(200, 'hi', true, true));
    assert.deepEqual(outcome(OK.slice(0, -1)), row(200, 'h', false, false));
    assert.deepEqual(
      outcome('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'),
      row(200, 'hi', true, true),
    );
    assert.deepEqual(
      outcome('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n', 'HEAD'),
      row(200, '', true, true),
    );
    assert.deepEqual(
      outcome('HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n'),
      row(304, '', true, true),
    );
    assert.deepEqual(outcome('HTTP/1.1 204 No Content\r\n\r\n'), row(204, '', true, true));
    assert.deepEqual(
      outcome('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi'),
      row(200, 'hi', true, false),
    );
    assert.deepEqual(outcome('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi'), row(200, 'hi', true, false));
    assert.deepEqual(
      outcome('HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi'),
      row(200, 'hi', true, true),
    );
    assert.deepEqual(
      outcome('HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 0\r\n\r\n'),
      row(200, '', true, true),
    );
    assert.equal(outcome(`${OK}HTTP/1.1 200 OK\r\n`).reusable, false, 'more than was asked for');
  });

  it('takes broken responses for protocol errors', () => {
    for (const bytes of [
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n',
      'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n',
      'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n',
      'HTTP/1.1 200 OK\nx: a\n\n',
      'HTTP/1.1 099 OK\r\n\r\n',
      'HTTP/1.1 2000 OK\r\n\r\n',
      'HTTP/2 200 OK\r\n\r\n',
      'ICY 200 OK\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
      `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(62_000)}\r\n\r\n`,
      'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(40),
    ]) {
      const result = outcome(bytes);
      assert.equal(result.reset, 'protocol-error', JSON.stringify(bytes.slice(0, 80)));
      assert.equal(result.reusable, false);
    }
  });

  it('passes on informational responses ahead of the final one', () => {
    const under = new Http1ClientUnderTest();
    const { response } = under.ask();
    under.receive(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`);
    assert.deepEqual(
      response.informational.map((head) => head.status),
      [100, 103],
    );
    assert.equal(response.body.toString(), 'hi');
  });

  it('reads a body until the end of the connection', async () => {
    const under = new Http1ClientUnderTest();
    const { response } = under.ask();
    under.socket.push('HTTP/1.1 200 OK\r\n\r\nsome');
    under.socket.push('thing');
    under.socket.push(null);
    await settle();
    assert.equal(response.body.toString(), 'something');
    assert.equal(response.ended, true);
    assert.equal(under.codec.isReusable, false);
  });

  it('tells an unanswered end of the connection from one in the middle of a head or a body', async () => {
    for (const [bytes, reason] of [
      ['', 'connection-termination'],
      ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc', 'remote-reset'],
      ['H', 'protocol-error'],
      ['HTTP/1.1 200 OK\r\ncontent-', 'protocol-error'],
      ['HTTP/1.1 103 Early Hints\r\n\r\n', 'connection-termination'],
      ['HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2', 'protocol-error'],
    ] as const) {
      const under = new Http1ClientUnderTest();
      const { response, stream } = under.ask();
      if (bytes !== '') under.socket.push(bytes);
      under.socket.push(null);
      await settle();
      await settle();
      assert.equal(response.reset?.reason, reason);
      assert.equal(stream.anythingSent, true);
      assert.deepEqual([under.done, under.closed], [1, 1]);
    }
  });

  it('closes on bytes that nobody asked for', () => {
    const under = new Http1ClientUnderTest();
    under.ask();
    under.receive(OK);
    assert.equal(under.codec.isReusable, true);
    under.receive('HTTP/1.1 408 Request Timeout\r\n\r\n');
    assert.equal(under.socket.destroyed, true);
    assert.equal(under.codec.isReusable, false);
  });

  it('closes when a stream is reset, or answered before its request has ended', () => {
    const reset = new Http1ClientUnderTest();
    const asked = reset.ask();
    asked.stream.reset('local-reset');
    assert.equal(reset.socket.destroyed, true);
    assert.equal(asked.response.reset, undefined);
    assert.equal(reset.done, 1);
    const early = new Http1ClientUnderTest();
    const { response, stream } = early.ask(requestHead('POST', '/', { 'content-length': '9' }), false);
    early.receive(OK);
    assert.equal(response.ended, true);
    assert.equal(early.codec.isReusable, false);
    stream.sendRequestData(Buffer.from('late'), false);
  });

  it('becomes a tunnel by 101, and holds back what came before it', () => {
    const under = new Http1ClientUnderTest();
    const { response, stream } = under.ask(requestHead('GET', '/', {}, 'websocket'), false);
    assert.ok(under.socket.text.endsWith('connection: upgrade\r\nupgrade: websocket\r\n\r\n'));
    under.socket.clear();
    stream.sendRequestData(Buffer.from(`GET /smuggled HTTP/1.1\r\n\r\n`), false);
    assert.equal(under.socket.text, '');
    under.receive(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nframe',
    );
    assert.equal(response.head?.upgrade, 'websocket');
    assert.equal(response.body.toString(), 'frame');
    assert.match(under.socket.text, /^GET \/smuggled/);
    assert.equal(under.codec.isReusable, false);
  });

  it('never reuses a connection whose upgrade was answered otherwise, nor sends what came before', () => {
    const under = new Http1ClientUnderTest();
    const { response, stream } = under.ask(requestHead('GET', '/', {}, 'websocket'), false);
    under.socket.clear();
    stream.sendRequestData(Buffer.from('GET /smuggled HTTP/1.1\r\n\r\n'), false);
    under.receive(OK);
    assert.equal(response.body.toString(), 'hi');
    assert.equal(under.socket.text, '');
    assert.equal(under.codec.isReusable, false);
    assert.equal(under.socket.destroyed, true);
  });

  it('gives the same response however its bytes are cut, and never throws for any bytes', () => {
    const bytes =
      'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n' +
      '5;x\r\nhello\r\n6\r\n world\r\n0\r\nx-t: 1\r\n\r\n';
    for (let cut = 1; cut < bytes.length; cut++) {
      const under = new Http1ClientUnderTest();
      const { response } = under.ask();
      under.receive(bytes.slice(0, cut));
      under.receive(bytes.slice(cut));
      assert.equal(response.body.toString(), 'hello world', `cut at ${cut}`);
      assert.equal(response.trailers?.get('x-t'), '1');
      assert.equal(under.codec.isReusable, true);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (random, afterHead) => {
        const under = new Http1ClientUnderTest();
        under.ask();
        under.receive((afterHead ? bytes.slice(0, 90) : '') + Buffer.from(random).toString('latin1'));
      }),
    );
  });
});
