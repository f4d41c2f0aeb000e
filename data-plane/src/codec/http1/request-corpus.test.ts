import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { ServerCodecUnderTest } from '../../testing/server-codec-under-test.js';
import type { ServerCodecConfig } from './server-codec.js';

/** What was sent, what must be answered (in order), and what may have been dispatched. */
interface Row {
  readonly what: string;
  readonly bytes: string;
  readonly statuses: readonly number[];
  /** `method path authority body` of each complete request. Default: none. */
  readonly dispatched?: readonly string[];
  readonly config?: Partial<ServerCodecConfig>;
}

const HOST = 'Host: a\r\n';
const get = (fields: string): string => `GET / HTTP/1.1\r\n${HOST}${fields}\r\n`;
const post = (fields: string, body: string): string => `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);
/** What an attacker would have the proxy take for a second request. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

const refused = (what: string, bytes: string, status = 400, config?: Partial<ServerCodecConfig>): Row => ({
  what,
  bytes: bytes + SMUGGLED,
  statuses: [status],
  ...(config === undefined ? {} : { config }),
});
const taken = (
  what: string,
  bytes: string,
  dispatched: string,
  config?: Partial<ServerCodecConfig>,
): Row => ({
  what,
  bytes,
  statuses: [200],
  dispatched: [dispatched],
  ...(config === undefined ? {} : { config }),
});

const ROWS: readonly Row[] = [
  refused(
    'content-length and transfer-encoding',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  ),
  refused(
    'transfer-encoding and content-length',
    post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
  ),
  refused(
    'two transfer-encodings',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    501,
  ),
  refused(
    'transfer-encoding: chunked, identity',
    post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
    501,
  ),
  refused(
    'transfer-encoding: identity, chunked',
    post('Transfer-Encoding: identity, chunked\r\n', '0\r\n\r\n'),
    501,
  ),
  refused('transfer-encoding: gzip', post('Transfer-Encoding: gzip\r\n', '0\r\n\r\n'), 501),
  refused('transfer-encoding: xchunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), 501),
  refused('transfer-encoding in quotes', post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'), 501),
  refused('an empty transfer-encoding', post('Transfer-Encoding:\r\n', ''), 501),
  refused('transfer-encoding with a vertical tab', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')),
  refused(
    'transfer-encoding with a space before the colon',
    post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
  ),
  refused('transfer-encoding on a folded line', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n')),
  refused('content-length twice, differing', post('Content-Length: 0\r\nContent-Length: 5\r\n', '')),
  refused('content-length twice, equal', post('Content-Length: 0\r\nContent-Length: 0\r\n', '')),
  refused('content-length as a list', post('Content-Length: 0, 0\r\n', '')),
  refused('content-length with a sign', post('Content-Length: +5\r\n', 'abcde')),
  refused('a negative content-length', post('Content-Length: -1\r\n', '')),
  refused('a hexadecimal content-length', post('Content-Length: 0x5\r\n', 'abcde')),
  refused('content-length with a fraction', post('Content-Length: 5.0\r\n', 'abcde')),
  refused('content-length with a space inside', post('Content-Length: 1 1\r\n', 'abcde')),
  refused('an empty content-length', post('Content-Length:\r\n', '')),
  refused('content-length beyond 2^64', post('Content-Length: 18446744073709551616\r\n', '')),
  refused('lines that end in a bare line feed', 'GET / HTTP/1.1\nHost: a\n\n'),
  refused('a header line that ends in a bare line feed', 'GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n'),
  refused('an end of head of bare line feeds', 'GET / HTTP/1.1\r\nHost: a\r\n\n'),
  refused('a bare carriage return in a value', get('X: a\rb\r\n')),
  refused('a bare carriage return as a line end', get('X: a\rY: b\r\n')),
  refused('obs-fold with a space', get('X: a\r\n b\r\n')),
  refused('obs-fold with a tab', get('X: a\r\n\tb\r\n')),
  refused('a folded first header line', `GET / HTTP/1.1\r\n ${HOST}\r\n`),
  refused('a space before the colon', get('X : a\r\n')),
  refused('a tab before the colon', get('X\t: a\r\n')),
  refused('a header without a colon', get('X\r\n')),
  refused('a header without a name', get(': a\r\n')),
  refused('NUL in a value', get('X: a\0b\r\n')),
  refused('NUL in a name', get('X\0Y: a\r\n')),
  refused('NUL in the path', `GET /a\0b HTTP/1.1\r\n${HOST}\r\n`),
  refused('DEL in a value', get('X: \x7f\r\n')),
  refused('a parenthesis in a name', get('X(): a\r\n')),
  refused('an obs-text byte in a name', get('X\xe9: a\r\n')),
  refused('no host', 'GET / HTTP/1.1\r\n\r\n'),
  refused('two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'),
  refused('two equal hosts', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n'),
  refused('an empty host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'),
  refused('a host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'),
  refused('a host with a comma', 'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n'),
  refused('a host with a slash', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'),
  refused('a host with user information', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n'),
  refused('a host with a bad port', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n'),
  refused('two hosts beside an absolute target', 'GET http://z/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'),
  refused('an absolute target without a host header', 'GET http://z/ HTTP/1.1\r\n\r\n'),
  refused('an absolute target of another scheme', `GET ftp://z/ HTTP/1.1\r\n${HOST}\r\n`),
  refused('an absolute target with user information', `GET http://u@z/ HTTP/1.1\r\n${HOST}\r\n`),
  refused('an absolute target without an authority', `GET http:///x HTTP/1.1\r\n${HOST}\r\n`),
  refused('an absolute target where those are off', `GET http://z/ HTTP/1.1\r\n${HOST}\r\n`, 400, {
    allowAbsoluteUrl: false,
  }),
  refused('a fragment', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`),
  refused('a fragment in an absolute target', `GET http://z/a#b HTTP/1.1\r\n${HOST}\r\n`),
  refused('an asterisk with GET', `GET * HTTP/1.1\r\n${HOST}\r\n`),
  refused('a path without a slash', `GET foo HTTP/1.1\r\n${HOST}\r\n`),
  refused('no path', `GET HTTP/1.1\r\n${HOST}\r\n`),
  refused('no version', `GET /\r\n${HOST}\r\n`),
  refused('two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`),
  refused('a space in the path', `GET /a b HTTP/1.1\r\n${HOST}\r\n`),
  refused('a tab in the request line', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`),
  refused('a space after the version', `GET / HTTP/1.1 \r\n${HOST}\r\n`),
  refused('a space before the method', ` GET / HTTP/1.1\r\n${HOST}\r\n`),
  refused('an obs-text byte in the path', `GET /\xe9 HTTP/1.1\r\n${HOST}\r\n`),
  refused('an unknown method', `FOO / HTTP/1.1\r\n${HOST}\r\n`),
  refused('a method in lower case', `get / HTTP/1.1\r\n${HOST}\r\n`),
  refused('a version in lower case', `GET / http/1.1\r\n${HOST}\r\n`),
  refused('a version with two digits', `GET / HTTP/1.10\r\n${HOST}\r\n`),
  refused('a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'),
  refused('HTTP/1.0 where that is off', `GET / HTTP/1.0\r\n${HOST}\r\n`, 426),
  refused('HTTP/2.0', `GET / HTTP/2.0\r\n${HOST}\r\n`, 426),
  refused('HTTP/1.2', `GET / HTTP/1.2\r\n${HOST}\r\n`, 426),
  refused('an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused(
    'transfer-encoding with HTTP/1.0',
    `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    {
      acceptHttp10: true,
    },
  ),
  refused(
    'transfer-encoding with CONNECT',
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ),
  refused('a path for CONNECT', `CONNECT /x HTTP/1.1\r\n${HOST}\r\n`),
  refused('a head above the limit', get(`X: ${'a'.repeat(61_440)}\r\n`), 431),
  refused('a path above the limit', `GET /${'a'.repeat(61_440)} HTTP/1.1\r\n${HOST}\r\n`, 431),
  refused('an endless head', `GET / HTTP/1.1\r\nX: ${'a'.repeat(62_000)}`, 431),
  refused('too many headers', get('a: b\r\n'.repeat(100)), 431),
  refused('underscores where they are refused', get('a_b: c\r\n'), 400, {
    headersWithUnderscoresAction: 'reject-request',
  }),
  refused('a chunk size that is no number', chunked('zz\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size with 0x', chunked('0x3\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size with a sign', chunked('+3\r\nabc\r\n0\r\n\r\n')),
  refused('an empty chunk size', chunked('\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size beyond 2^64', chunked('10000000000000003\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size with many zeros', chunked(`${'0'.repeat(40)}3\r\nabc\r\n0\r\n\r\n`)),
  refused('a chunk size with a trailing space', chunked('3 \r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size that ends in a bare line feed', chunked('3\nabc\r\n0\r\n\r\n')),
  refused('a chunk extension that ends in a bare line feed', chunked('3;a\nabc\r\n0\r\n\r\n')),
  refused('a bare carriage return in a chunk extension', chunked('3;a\rb\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk that is too long', chunked('3\r\nabcd\r\n0\r\n\r\n')),
  refused('a chunk that ends in a bare line feed', chunked('3\r\nabc\n0\r\n\r\n')),
  refused('too many bytes of chunk extensions', chunked(`1;${'a'.repeat(17_000)}\r\nb\r\n0\r\n\r\n`), 431),
  refused('many short chunk extensions', chunked(`1;${'a'.repeat(99)}\r\nb\r\n`.repeat(170)), 431),
  refused('a bad trailer', chunked('0\r\nX : a\r\n\r\n')),
  refused('a bare line feed after the last chunk', chunked('0\r\n\n')),

  taken('a plain request', get(''), 'GET / a '),
  taken('empty lines before a request', `\r\n\r\n${get('')}`, 'GET / a '),
  taken('spaces around a value', get('X: \ta\tb \t\r\n'), 'GET / a '),
  taken('obs-text in a value', get('X: \xe9\r\n'), 'GET / a '),
  taken(
    'an absolute target, which overrides the host',
    `GET http://z:8/p?q HTTP/1.1\r\n${HOST}\r\n`,
    'GET /p?q z:8 ',
  ),
  taken('an absolute target without a path', `GET HTTP://z HTTP/1.1\r\n${HOST}\r\n`, 'GET / z '),
  taken('an asterisk with OPTIONS', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 'OPTIONS * a '),
  taken('an IPv6 host', 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', 'GET / [::1]:80 '),
  taken('a body of known length', post('Content-Length: 3\r\n', 'abc'), 'POST / a abc'),
  taken('a chunked body', chunked('3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n'), 'POST / a abc0123456789'),
  taken('chunked in other case', post('transfer-ENCODING:CHUNKED\r\n', '1\r\na\r\n0\r\n\r\n'), 'POST / a a'),
  taken('chunk extensions', chunked('3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n'), 'POST / a abc'),
  taken('trailers', chunked('3\r\nabc\r\n0\r\nX: y\r\n\r\n'), 'POST / a abc'),
  taken('as many headers as allowed', get('a: b\r\n'.repeat(99)), 'GET / a '),
  taken(
    'both lengths where that is on: chunked wins',
    post('Content-Length: 9\r\nTransfer-Encoding: chunked\r\n', '1\r\na\r\n0\r\n\r\n'),
    'POST / a a',
    {
      allowChunkedLength: true,
    },
  ),
  taken('HTTP/1.0 where that is on', 'GET / HTTP/1.0\r\n\r\n', 'GET /  ', { acceptHttp10: true }),
  {
    what: 'two requests in one piece',
    bytes: post('Content-Length: 3\r\n', 'abc') + get(''),
    statuses: [200, 200],
    dispatched: ['POST / a abc', 'GET / a '],
  },
  {
    what: 'a request behind connection: close',
    bytes: get('Connection: close\r\n') + SMUGGLED,
    statuses: [200],
    dispatched: ['GET / a '],
  },
  {
    what: 'a bad request behind a good one',
    bytes: get('') + get('X : a\r\n') + SMUGGLED,
    statuses: [200, 400],
    dispatched: ['GET / a '],
  },
  {
    what: 'a request behind both lengths where that is on',
    bytes: post('Content-Length: 9\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n') + SMUGGLED,
    statuses: [200],
    dispatched: ['POST / a '],
    config: { allowChunkedLength: true },
  },
];

function dispatchedBy(under: ServerCodecUnderTest): string[] {
  return under.server.requests
    .filter((request) => request.ended)
    .map(({ head, body }) => `${head?.method} ${head?.path} ${head?.authority} ${body.toString('latin1')}`);
}

describe('requests that proxies have been fooled with', () => {
  for (const row of ROWS) {
    const title = row.statuses[0] === 200 ? 'are taken' : `are answered ${row.statuses[0]} and nothing more`;
    it(`${title}: ${row.what}`, () => {
      const under = new ServerCodecUnderTest(row.config);
      under.receive(row.bytes);
      assert.deepEqual(under.statuses, row.statuses);
      assert.deepEqual(dispatchedBy(under), row.dispatched ?? []);
    });

    it(`and the same byte by byte: ${row.what}`, () => {
      const under = new ServerCodecUnderTest(row.config);
      for (const byte of row.bytes) under.receive(byte);
      assert.deepEqual(under.statuses, row.statuses);
      assert.deepEqual(dispatchedBy(under), row.dispatched ?? []);
    });
  }

  it('end the connection: what is answered says so, and a half-close follows', () => {
    const under = new ServerCodecUnderTest();
    under.receive(get('X : a\r\n'));
    assert.match(under.socket.text, /\r\nconnection: close\r\n/);
    assert.equal(under.socket.writableEnded, true);
    assert.equal(under.socket.destroyed, false, 'the client is given time to read');
    under.clock.advance(2000);
    assert.equal(under.socket.destroyed, true);
  });
});
