import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ProxyUnderAttack, statusesOf } from './proxy-under-attack.js';
import { RawHttp2Client, requestFields } from './raw-http2-client.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
/** What an attacker would like to have taken as a request of its own. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** Bytes that two readers may understand in two ways, by the rows that name them. */
const REFUSED: readonly (readonly [row: string, what: string, bytes: string, status?: number])[] = [
  ['1.1', 'length and chunks', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['1.1', 'chunks and length', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
  [
    '1.1',
    'chunked twice',
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  ['1.1', 'chunked twice in one list', `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 501],
  ['1.1', 'another coding beside', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 501],
  ['1.1', 'an obfuscated coding', `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['1.1', 'a coding that only begins so', `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 501],
  ['1.1', 'a coding in quotes', `${POST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 501],
  ['1.1', 'a coding with a NUL', `${POST}Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n`],
  ['1.1', 'bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['1.1', 'one bare line feed', `GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n`],
  ['1.1', 'two lengths', `${POST}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`],
  ['1.1', 'a list of lengths', `${POST}Content-Length: 0, 5\r\n\r\n`],
  ['1.1', 'a signed length', `${POST}Content-Length: +5\r\n\r\nabcde`],
  ['1.1', 'a length of 2^64', `${POST}Content-Length: 18446744073709551616\r\n\r\n`],
  ['1.2', 'a space before the colon', `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['1.2', 'a tab before the colon', `${POST}Content-Length\t: 5\r\n\r\nabcde`],
  ['1.2', 'a bare carriage return in a value', `${GET}X: a\rContent-Length: 5\r\n\r\n`],
  ['1.2', 'a bare carriage return as the end of a line', `${GET}X: a\r\r\n\r\n`],
  ['1.2', 'a folded field', `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
  ['1.2', 'a folded first field', `GET / HTTP/1.1\r\n Host: a\r\n\r\n`],
  ['1.3', 'a bare line feed in a chunk extension', `${CHUNKED}3;a\nb\r\nabc\r\n0\r\n\r\n`],
  ['1.3', 'a bare carriage return in a chunk extension', `${CHUNKED}3;a\rb\r\nabc\r\n0\r\n\r\n`],
  ['1.3', 'a chunk that is longer than its size', `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`],
  ['1.3', 'a chunk size of 2^64', `${CHUNKED}10000000000000000\r\nabc\r\n0\r\n\r\n`],
  ['1.14', 'a NUL in a value', `${GET}X: a\0b\r\n\r\n`],
  ['1.14', 'a NUL in a name', `${GET}X\0Y: a\r\n\r\n`],
];

describe('requests that two readers may understand in two ways', () => {
  let proxy: ProxyUnderAttack;
  before(
    async () =>
      (proxy = await ProxyUnderAttack.start({ listeners: { plain: {}, h2: { routes: TO_HTTP2 } } })),
  );
  after(() => proxy.close());

  for (const [row, what, bytes, status = 400] of REFUSED) {
    for (const listener of ['plain', 'h2'] as const) {
      it(`${row} ${what}: refused, the connection is closed, and nothing of it goes on by ${listener === 'h2' ? 'HTTP/2' : 'HTTP/1.1'}`, async () => {
        proxy.h2.take();
        const exchange = await proxy.raw(bytes + SMUGGLED, { listener, untilClosed: true });
        assert.deepEqual(statusesOf(exchange), [status]);
        assert.equal(exchange.closed, true);
        assert.deepEqual(
          proxy.received().filter(({ truncated }) => !truncated),
          [],
        );
        assert.deepEqual(
          proxy.h2.take().filter(({ headers, ended }) => ended && headers[':path'] !== '/marker-of-the-test'),
          [],
        );
      });
    }
  }

  it('1.3 extensions of chunks are read over, and the request behind them is the next', async () => {
    const exchange = await proxy.raw(`${CHUNKED}3;a="\\";";b\r\nabc\r\n0;c\r\n\r\n${GET}X: 2\r\n\r\n`, {
      answers: 2,
    });
    assert.deepEqual(statusesOf(exchange), [200, 200]);
    assert.deepEqual(
      proxy.received().map(({ startLine, body }) => `${startLine} ${body.toString()}`),
      ['POST / HTTP/1.1 abc', 'GET / HTTP/1.1 '],
    );
  });

  it('1.3 extensions of all chunks together are bounded', async () => {
    const one = await proxy.raw(`${CHUNKED}1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`, { untilClosed: true });
    const many = await proxy.raw(`${CHUNKED}${`1;${'x'.repeat(100)}\r\na\r\n`.repeat(200)}0\r\n\r\n`, {
      untilClosed: true,
    });
    assert.deepEqual([statusesOf(one), statusesOf(many)], [[431], [431]]);
    assert.deepEqual(
      proxy.received().filter(({ truncated }) => !truncated),
      [],
    );
  });
});

const TO_HTTP2 = [{ match: { prefix: '/' }, route: { cluster: 'h2' } }];

/** What HTTP/2 can say and HTTP/1.1 cannot: it would become two requests, or two fields, there. */
const NEVER_WRITTEN: readonly (readonly [
  row: string,
  what: string,
  fields: readonly (readonly [string, string])[],
])[] = [
  ['1.4', 'a space in the method', requestFields('/', [], 'GET /smuggled HTTP/1.1\r\nx: ')],
  ['1.4', 'a space in the path', requestFields('/ HTTP/1.1')],
  ['1.4', 'a line break in the path', requestFields('/ HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled')],
  ['1.4', 'a control character in the path', requestFields('/\x01')],
  ['1.4', 'DEL in the path', requestFields('/\x7f')],
  [
    '1.4',
    'a line break in the authority',
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'a\r\nx: b'],
    ],
  ],
  ['1.4', 'a line break in a value', requestFields('/', [['x-a', 'b\r\nx-b: c']])],
  ['1.4', 'a line break in a name', requestFields('/', [['x-a: b\r\nx-b', 'c']])],
  ['1.4', 'a colon in a name', requestFields('/', [['x:a', 'b']])],
  ['1.14', 'a NUL in a value', requestFields('/', [['x-a', 'b\0']])],
  ['1.14', 'a NUL in a name', requestFields('/', [['x\0a', 'b']])],
  ['1.1', 'transfer-encoding', requestFields('/', [['transfer-encoding', 'chunked']])],
  [
    '1.1',
    'two lengths',
    requestFields('/', [
      ['content-length', '0'],
      ['content-length', '5'],
    ]),
  ],
];

describe('what HTTP/2 can say and HTTP/1.1 cannot', () => {
  let proxy: ProxyUnderAttack;
  before(async () => (proxy = await ProxyUnderAttack.start()));
  after(() => proxy.close());

  for (const [row, what, fields] of NEVER_WRITTEN) {
    it(`${row} ${what}: the stream is reset, nothing goes on, and the next stream is served`, async () => {
      const client = await RawHttp2Client.connect(proxy.port());
      client.headers(1, fields);
      assert.deepEqual(await client.outcome(1), { reset: 1 });
      client.headers(3, requestFields('/next'));
      assert.deepEqual(await client.outcome(3), { status: 200 });
      client.close();
      assert.deepEqual(
        proxy.received().map(({ startLine }) => startLine),
        ['GET /next HTTP/1.1'],
      );
    });
  }

  it('1.1 a body that is not as long as it says: no whole request goes on', async () => {
    for (const [length, body] of [
      ['5', 'abc'],
      ['2', 'abc'],
    ] as const) {
      const client = await RawHttp2Client.connect(proxy.port());
      client.headers(1, requestFields('/', [['content-length', length]], 'POST'), false);
      client.data(1, body, true);
      assert.deepEqual(await client.outcome(1), { reset: 1 });
      client.close();
    }
    await proxy.raw(`${GET}\r\n`);
    assert.deepEqual(
      proxy
        .received()
        .map(({ startLine, truncated }) => [startLine, truncated])
        .filter(([, cut]) => cut !== true),
      [['GET / HTTP/1.1', false]],
    );
  });
});
