import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rawExchange } from '../support/raw-exchange.js';
import { fieldOf } from '../support/http1-reader.js';
import { ProxyUnderAttack, routeTo, statusesOf } from './proxy-under-attack.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';

/** What RFC 9110 demands of an intermediary. */
describe('RFC 9110', () => {
  let proxy: ProxyUnderAttack;
  before(async () => {
    proxy = await ProxyUnderAttack.start({
      listeners: {
        plain: {},
        via: { manager: { via: 'heddle' } },
        continues: { manager: { proxy_100_continue: true } },
        retries: {
          routes: [routeTo('h1', '/', { retry_policy: { retry_on: 'connect-failure', num_retries: 2 } })],
        },
      },
    });
  });
  after(() => proxy.close());

  it('4.1 fields that nobody knows are forwarded, both ways (section 5.1)', async () => {
    proxy.h1.replyWith({ bytes: 'HTTP/1.1 200 OK\r\nX-Unknown: there\r\nContent-Length: 0\r\n\r\n' });
    const { answers } = await proxy.raw(`${GET}X-Unknown: here\r\n\r\n`);
    assert.equal(fieldOf(answers[0]?.fields ?? [], 'x-unknown'), 'there');
    assert.equal(fieldOf(proxy.received()[0]?.fields ?? [], 'x-unknown'), 'here');
  });

  it('4.2 fields of one name keep their order (section 5.3)', async () => {
    await proxy.raw(`${GET}X-A: 1\r\nX-B: 0\r\nX-A: 2\r\nx-a: 3\r\n\r\n`);
    const values = proxy
      .received()[0]
      ?.fields.filter(([name]) => name === 'x-a')
      .map(([, value]) => value);
    assert.equal(values?.join(), '1,2,3');
  });

  it('4.3 CR, LF and NUL in values are refused, also those of an upstream (section 5.5)', async () => {
    for (const bad of ['a\rb', 'a\nb', 'a\0b']) {
      assert.deepEqual(statusesOf(await proxy.raw(`${GET}X: ${bad}\r\n\r\n`, { untilClosed: true })), [400]);
      proxy.h1.replyWith({ bytes: `HTTP/1.1 200 OK\r\nX: ${bad}\r\nContent-Length: 0\r\n\r\n` });
      assert.deepEqual(statusesOf(await rawExchange(proxy.port(), `${GET}\r\n`)), [502]);
    }
    proxy.received();
  });

  it('4.4 an answer without a Date gets one (section 6.6.1)', async () => {
    const { answers } = await proxy.raw(`${GET}\r\n`);
    assert.ok(Date.parse(fieldOf(answers[0]?.fields ?? [], 'date') ?? '') > 0);
    proxy.h1.replyWith({
      bytes: 'HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n',
    });
    const dated = await rawExchange(proxy.port(), `${GET}\r\n`);
    assert.equal(fieldOf(dated.answers[0]?.fields ?? [], 'date'), 'Thu, 01 Jan 2026 00:00:00 GMT');
    proxy.received();
  });

  it('4.6 what Connection names is for one hop, as Connection itself, both ways (section 7.6.1)', async () => {
    proxy.h1.replyWith({
      bytes:
        'HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nContent-Length: 0\r\n\r\n',
    });
    const { answers } = await proxy.raw(
      `${GET}Connection: X-Hop, keep-alive\r\nx-hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\r\n`,
    );
    for (const fields of [answers[0]?.fields ?? [], proxy.received()[0]?.fields ?? []]) {
      for (const name of ['connection', 'x-hop', 'keep-alive', 'proxy-connection']) {
        assert.equal(fieldOf(fields, name), undefined, name);
      }
    }
  });

  it('4.8 where a name for Via is set, requests have it (section 7.6.3)', async () => {
    await proxy.raw(`${GET}Via: 1.0 before\r\n\r\n`, { listener: 'via' });
    const vias = proxy
      .received()[0]
      ?.fields.filter(([name]) => name === 'via')
      .map(([, value]) => value);
    assert.match(vias?.join(', ') ?? '', /^1\.0 before, ?.*heddle$/);
  });

  it('4.9 path and query are forwarded as they are (section 7.7)', async () => {
    const target = '/a%2Fb;c=d/../e?f=%20g&h=/../i#'.replace('#', '');
    await proxy.raw(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(proxy.received()[0]?.startLine, `GET ${target} HTTP/1.1`);
  });

  it('4.10 bodies are never transformed (section 7.7)', async () => {
    const body = '\x1f\x8b\x08 not gzip at all \xff';
    proxy.h1.replyWith({
      bytes: Buffer.from(
        `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        'latin1',
      ),
    });
    const { answers } = await proxy.raw(`${GET}Accept-Encoding: identity\r\n\r\n`);
    assert.equal(answers[0]?.body.toString('latin1'), body);
    assert.equal(fieldOf(answers[0]?.fields ?? [], 'content-encoding'), 'gzip');
    proxy.received();
  });

  it('4.11 a wrong length is never forwarded, and none with 1xx and 204 (section 8.6)', async () => {
    proxy.h1.replyWith({ bytes: 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n' });
    const none = await rawExchange(proxy.port(), `${GET}\r\n`);
    assert.deepEqual(statusesOf(none), [204]);
    assert.equal(fieldOf(none.answers[0]?.fields ?? [], 'content-length'), undefined);
    for (const length of ['5, 6', 'x', '-1']) {
      proxy.h1.replyWith({ bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nhello` });
      assert.deepEqual(statusesOf(await rawExchange(proxy.port(), `${GET}\r\n`)), [502]);
    }
    proxy.received();
  });

  it('4.12 a POST that may have been processed is not sent again by itself (section 9.2.2)', async () => {
    for (const listener of ['plain', 'retries']) {
      proxy.h1.replyWith({ then: 'reset' });
      const exchange = await rawExchange(proxy.port(listener), `${POST}Content-Length: 1\r\n\r\nx`);
      assert.deepEqual(statusesOf(exchange), [503]);
      assert.equal(proxy.received().length, 1);
    }
  });

  it('4.14 Expect: 100-continue is answered, or forwarded where that is wanted (section 10.1.1)', async () => {
    const ask = `${POST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`;
    assert.deepEqual(statusesOf(await rawExchange(proxy.port(), ask, { thenSend: ['hello'] })), [100, 200]);
    assert.equal(fieldOf(proxy.received()[0]?.fields ?? [], 'expect'), undefined);
    proxy.h1.replyWith({
      at: 'head',
      bytes: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    });
    assert.deepEqual(
      statusesOf(await rawExchange(proxy.port('continues'), ask, { thenSend: ['hello'] })),
      [100, 200],
    );
    proxy.received();
  });

  it('4.15 conditions are for the server to judge (section 13.2.1)', async () => {
    const fields = [
      ['if-match', '"a"'],
      ['if-none-match', '*'],
      ['if-modified-since', 'Thu, 01 Jan 2026 00:00:00 GMT'],
      ['if-range', '"b"'],
      ['range', 'bytes=0-1'],
    ];
    await proxy.raw(`${GET}${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
    const received = proxy.received()[0]?.fields ?? [];
    for (const [name = '', value] of fields) assert.equal(fieldOf(received, name), value);
  });

  it('4.16 interim answers are forwarded, but never to HTTP/1.0 (section 15.2)', async () => {
    const answer = {
      bytes: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    };
    proxy.h1.replyWith(answer);
    assert.deepEqual(statusesOf(await rawExchange(proxy.port(), `${GET}\r\n`)), [103, 200]);
    const old = await ProxyUnderAttack.start({
      listeners: { plain: { manager: { http_protocol_options: { accept_http_10: true } } } },
    });
    old.h1.replyWith(answer);
    assert.deepEqual(
      statusesOf(await rawExchange(old.port(), 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', { untilClosed: true })),
      [200],
    );
    await old.close();
    proxy.received();
  });
});
