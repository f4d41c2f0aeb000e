import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rawExchange } from '../support/raw-exchange.js';
import { fieldOf } from '../support/http1-reader.js';
import { ProxyUnderAttack, statusesOf } from './proxy-under-attack.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';

/** What RFC 9112 demands of an intermediary. */
describe('RFC 9112', () => {
  let proxy: ProxyUnderAttack;
  before(async () => {
    proxy = await ProxyUnderAttack.start({
      listeners: {
        plain: {},
        lenient: { manager: { http_protocol_options: { allow_chunked_length: true, accept_http_10: true } } },
      },
    });
  });
  after(() => proxy.close());

  const answer = async (bytes: string, ask = `${GET}\r\n`): Promise<number> => {
    proxy.h1.replyWith({ bytes, then: 'end' });
    const [status = 0] = statusesOf(await rawExchange(proxy.port(), ask, { timeoutMs: 20_000 }));
    proxy.received();
    return status;
  };

  it('4.17 a bare carriage return is refused, wherever it stands (section 2.2)', async () => {
    for (const bytes of [
      `GET /\r HTTP/1.1\r\nHost: a\r\n\r\n`,
      `${GET}X: a\rb\r\n\r\n`,
      `${POST}Transfer-Encoding: chunked\r\n\r\n1\rx\r\na\r\n0\r\n\r\n`,
    ]) {
      assert.deepEqual(statusesOf(await proxy.raw(bytes, { untilClosed: true })), [400]);
    }
    assert.equal(await answer('HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n'), 502);
    assert.deepEqual(
      proxy.received().filter(({ truncated }) => !truncated),
      [],
    );
  });

  it('4.18 each side is told our own version (section 2.3)', async () => {
    proxy.h1.replyWith({ bytes: 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n' });
    const { answers } = await rawExchange(proxy.port('lenient'), 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', {
      untilClosed: true,
    });
    assert.match(answers[0]?.startLine ?? '', /^HTTP\/1\.1 200 /);
    assert.equal(proxy.received()[0]?.startLine, 'GET / HTTP/1.1');
  });

  it('4.19 no Host, two of them, or a bad one: 400 (section 3.2)', async () => {
    for (const hosts of [
      '',
      'Host: a\r\nHost: a\r\n',
      'Host: a\r\nhost: b\r\n',
      'Host:\r\n',
      'Host: a b\r\n',
      'Host: a/b\r\n',
      'Host: u@a\r\n',
      'Host: a,b\r\n',
    ]) {
      assert.deepEqual(
        statusesOf(await proxy.raw(`GET / HTTP/1.1\r\n${hosts}\r\n`, { untilClosed: hosts !== '' })),
        [400],
        hosts,
      );
    }
    assert.deepEqual(proxy.received(), []);
  });

  it('4.20 an absolute target counts, whatever Host says (section 3.2.2)', async () => {
    await proxy.raw('GET http://b.example:8080/p?q HTTP/1.1\r\nHost: a\r\n\r\n');
    const [request] = proxy.received();
    assert.equal(request?.startLine, 'GET /p?q HTTP/1.1');
    assert.deepEqual(
      request.fields.filter(([name]) => name === 'host'),
      [['host', 'b.example:8080']],
    );
  });

  it('4.21 a space before a colon: 400, and removed from an answer (section 5.1)', async () => {
    assert.deepEqual(statusesOf(await proxy.raw(`${GET}X : a\r\n\r\n`, { untilClosed: true })), [400]);
    proxy.h1.replyWith({ bytes: 'HTTP/1.1 200 OK\r\nX-Spaced : a\r\nContent-Length: 0\r\n\r\n' });
    const { answers } = await rawExchange(proxy.port(), `${GET}\r\n`);
    assert.equal(fieldOf(answers[0]?.fields ?? [], 'x-spaced'), 'a');
    proxy.received();
  });

  it('4.22 folded fields: 400 for a request, 502 for an answer (section 5.2)', async () => {
    assert.deepEqual(statusesOf(await proxy.raw(`${GET}X: a\r\n b\r\n\r\n`, { untilClosed: true })), [400]);
    assert.equal(await answer('HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'), 502);
    assert.deepEqual(proxy.received(), []);
  });

  it('4.23, 4.24 both lengths where they are taken: chunks count, no length goes on, and the connection ends (sections 6.1, 6.3)', async () => {
    const bytes = `${POST}Content-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n${GET}\r\n`;
    const exchange = await rawExchange(proxy.port('lenient'), bytes, { untilClosed: true });
    assert.deepEqual(statusesOf(exchange), [200]);
    const [request, ...more] = proxy.received();
    assert.deepEqual(more, []);
    assert.equal(fieldOf(request?.fields ?? [], 'content-length'), undefined);
    assert.equal(request?.body.toString(), 'abc');
  });

  it('4.25 a coding after chunked, or without it: refused, and the connection ends (section 6.3)', async () => {
    for (const coding of ['chunked, gzip', 'gzip', 'chunked;a=b']) {
      const exchange = await proxy.raw(`${POST}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`, {
        untilClosed: true,
      });
      assert.ok([400, 501].includes(statusesOf(exchange)[0] ?? 0), coding);
      assert.equal(exchange.closed, true);
    }
    assert.deepEqual(proxy.received(), []);
  });

  it('4.26 an answer with a bad length: 502, and its connection ends (section 6.3)', async () => {
    for (const length of [
      'Content-Length: 1\r\nContent-Length: 2',
      'Content-Length: a',
      'Content-Length: 1\r\nTransfer-Encoding: chunked',
      'Content-Length: 99999999999999999999',
    ]) {
      const before = proxy.h1.connections;
      proxy.h1.replyWith({ bytes: `HTTP/1.1 200 OK\r\n${length}\r\n\r\na` });
      assert.deepEqual(statusesOf(await rawExchange(proxy.port(), `${GET}\r\n`)), [502], length);
      await proxy.raw(`${GET}\r\n`);
      assert.ok(proxy.h1.connections > before);
    }
    proxy.received();
  });

  it('4.27 sizes of chunks do not overflow, and unknown extensions are read over (section 7.1)', async () => {
    for (const size of [
      '10000000000000003',
      'ffffffffffffffffff',
      '80000000000000000',
      `${'0'.repeat(40)}3`,
    ]) {
      const exchange = await proxy.raw(
        `${POST}Transfer-Encoding: chunked\r\n\r\n${size}\r\nabc\r\n0\r\n\r\n`,
        { untilClosed: true },
      );
      assert.deepEqual(statusesOf(exchange), [400], size);
      // Once the answer has begun it can only break off.
      proxy.h1.replyWith({
        bytes: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\nabc\r\n0\r\n\r\n`,
      });
      const { answers } = await rawExchange(proxy.port(), `${GET}\r\n`, { untilClosed: true });
      assert.ok(
        answers[0] === undefined || answers[0].truncated || answers[0].startLine.includes('502'),
        size,
      );
    }
    assert.deepEqual(
      proxy.received().filter(({ startLine, truncated }) => startLine.startsWith('POST') && !truncated),
      [],
    );
    assert.deepEqual(
      statusesOf(
        await proxy.raw(`${POST}Transfer-Encoding: chunked\r\n\r\n3;unknown="x"\r\nabc\r\n0\r\n\r\n`),
      ),
      [200],
    );
    assert.equal(proxy.received()[0]?.body.toString(), 'abc');
  });

  it('4.28 connections of HTTP/1.0 end with their answer (section 9.3)', async () => {
    const exchange = await rawExchange(proxy.port('lenient'), `GET / HTTP/1.0\r\nHost: a\r\n\r\n${GET}\r\n`, {
      untilClosed: true,
    });
    assert.deepEqual(statusesOf(exchange), [200]);
    assert.equal(proxy.received().length, 1);
  });
});
