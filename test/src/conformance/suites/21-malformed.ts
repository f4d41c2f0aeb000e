import type { ConformanceSuite } from '../conformance-suite.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
/** What an attacker would like to be taken as a second request. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** Bytes, and how many answers there are before the proxy closes; 0: it is asked to close. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['length and chunks', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunks and length', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
  ['chunked twice', `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['chunked, identity', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ['identity, chunked', `${POST}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`],
  ['gzip alone', `${POST}Transfer-Encoding: gzip\r\n\r\n`],
  ['gzip, chunked', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['xchunked', `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['chunked with a vertical tab', `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['a space before the colon', `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['a folded coding', `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
  ['two different lengths', `${POST}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`],
  ['two equal lengths', `${POST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`],
  ['a list of lengths', `${POST}Content-Length: 0, 0\r\n\r\n`],
  ['a signed length', `${POST}Content-Length: +5\r\n\r\nabcde`],
  ['a negative length', `${POST}Content-Length: -1\r\n\r\n`],
  ['a hexadecimal length', `${POST}Content-Length: 0x5\r\n\r\nabcde`],
  ['a length beyond 2^64', `${POST}Content-Length: 18446744073709551616\r\n\r\n`],
  ['an empty length', `${POST}Content-Length:\r\n\r\n`],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['one bare line feed', `${GET.slice(0, -2)}\nX: b\r\n\r\n`],
  ['a bare carriage return in a value', `${GET}X: a\rb\r\n\r\n`],
  ['a folded line', `${GET}X: a\r\n b\r\n\r\n`],
  ['a space before a colon', `${GET}X : a\r\n\r\n`],
  ['a line without a colon', `${GET}X\r\n\r\n`],
  ['a line without a name', `${GET}: a\r\n\r\n`],
  ['NUL in a value', `${GET}X: a\0b\r\n\r\n`],
  ['NUL in a name', `${GET}X\0Y: a\r\n\r\n`],
  ['NUL in the path', 'GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a parenthesis in a name', `${GET}X(): a\r\n\r\n`],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['an empty host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['a host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['a host with a slash', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a host with a user', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n'],
  ['a path without a slash', 'GET foo HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an asterisk with GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a path with a space', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['two spaces', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no version', 'GET /\r\nHost: a\r\n\r\n'],
  ['an unknown method', 'FOO / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a method in lower case', 'get / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a version in lower case', 'GET / http/1.1\r\nHost: a\r\n\r\n'],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  ['an obs-text byte in the path', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an absolute target of another scheme', 'GET ftp://z/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a chunk size that is no number', `${CHUNKED}zz\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size with 0x', `${CHUNKED}0x3\r\nabc\r\n0\r\n\r\n`],
  ['a signed chunk size', `${CHUNKED}+3\r\nabc\r\n0\r\n\r\n`],
  ['a chunk size beyond 2^64', `${CHUNKED}10000000000000003\r\nabc\r\n0\r\n\r\n`],
  ['a chunk longer than its size', `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`],
  ['chunks with bare line feeds', `${CHUNKED}3\nabc\n0\n\n`],
  ['a bare line feed in a chunk extension', `${CHUNKED}3;a\nb\r\nabc\r\n0\r\n\r\n`],
  ['a space before a chunk size', `${CHUNKED} 3\r\nabc\r\n0\r\n\r\n`],
];

export const malformed: ConformanceSuite = {
  file: '21-malformed',
  upstreams: ['b1'],
  rows: [
    ...REFUSED.map(
      ([what, bytes]) =>
        ({
          title: what,
          observe: (proxy) => proxy.raw(bytes + SMUGGLED, { answers: 2 }),
        }) satisfies ConformanceSuite['rows'][number],
    ),
    { title: 'spaces around a value', observe: (proxy) => proxy.raw(`${GET}X:  \ta b \t\r\n\r\n`) },
    { title: 'an empty value', observe: (proxy) => proxy.raw(`${GET}X:\r\n\r\n`) },
    {
      title: 'Chunked in capitals',
      observe: (proxy) => proxy.raw(`${POST}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n`),
    },
    {
      title: 'a long chunk extension',
      observe: (proxy) => proxy.raw(`${CHUNKED}3;x=${'y'.repeat(2000)}\r\nabc\r\n0\r\n\r\n`),
    },
    {
      title: 'an absolute target overrides the host',
      observe: (proxy) => proxy.raw('GET http://z/p HTTP/1.1\r\nHost: a\r\n\r\n'),
    },
    {
      title: 'a body with GET and chunks',
      observe: (proxy) => proxy.raw(`${GET}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`),
    },
    {
      title: 'Max-Forwards',
      observe: (proxy) => proxy.raw('OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n'),
    },
    {
      title: 'a semicolon in the path',
      observe: (proxy) => proxy.raw('GET /admin;x=y HTTP/1.1\r\nHost: a\r\n\r\n'),
    },
    {
      title: 'quotes and braces in the path',
      observe: (proxy) => proxy.raw('GET /a"b{c}|d^e` HTTP/1.1\r\nHost: a\r\n\r\n'),
    },
  ],
};
