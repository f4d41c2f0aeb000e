import type { ConformanceSuite } from '../conformance-suite.js';

const MEGABYTE = Buffer.alloc(1 << 20, 'heddle ');
const HEAD = 'POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n';

function chunked(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

export const messages: ConformanceSuite = {
  file: '18-messages',
  upstreams: ['b1'],
  rows: [
    {
      title: 'a body with a length',
      observe: (proxy) => proxy.request('/', { method: 'POST', body: 'hello' }),
    },
    {
      title: 'an empty body with a length',
      observe: (proxy) => proxy.request('/', { method: 'POST', body: '' }),
    },
    { title: 'a POST without a body', observe: (proxy) => proxy.request('/', { method: 'POST' }) },
    { title: 'a GET with a body', observe: (proxy) => proxy.request('/', { body: 'x' }) },
    {
      title: 'a chunked body',
      observe: (proxy) => proxy.raw(`${HEAD}\r\n5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\n\r\n`),
    },
    { title: 'an empty chunked body', observe: (proxy) => proxy.raw(`${HEAD}\r\n0\r\n\r\n`) },
    {
      title: 'trailers of a request',
      observe: (proxy) => proxy.raw(`${HEAD}Trailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 2\r\n\r\n`),
    },
    {
      title: 'trailers of a request where they are not passed on',
      observe: (proxy) => proxy.raw(`${HEAD}\r\n2\r\nhi\r\n0\r\nX-Sum: 2\r\n\r\n`, { port: 'PLAIN' }),
    },
    ...['HTTP', 'PLAIN'].map(
      (port) =>
        ({
          title: `trailers of a response: ${port}`,
          observe: (proxy) => {
            proxy.upstream('b1').replyWith({
              bytes:
                'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 2\r\n\r\n',
            });
            return proxy.request('/', { port, headers: [['TE', 'trailers']] });
          },
        }) satisfies ConformanceSuite['rows'][number],
    ),
    { title: 'HEAD', observe: (proxy) => proxy.request('/', { method: 'HEAD' }) },
    {
      title: 'HEAD of a chunked resource',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' });
        return proxy.request('/', { method: 'HEAD' });
      },
    },
    ...[
      ['204', 'HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n'],
      ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: "x"\r\n\r\n'],
      ['205', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n'],
      ['a status with a reason of its own', 'HTTP/1.1 299 Something Else\r\nContent-Length: 0\r\n\r\n'],
      ['a status without a reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'],
      ['599', 'HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n'],
      [
        '103 first',
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      ],
      ['a length with leading zeros', 'HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok'],
      [
        'names in capitals and spaces around values',
        'HTTP/1.1 200 OK\r\nCONTENT-LENGTH:\t2 \r\nX-Mixed:  a b \r\n\r\nok',
      ],
    ].map(
      ([what = '', bytes = '']) =>
        ({
          title: `an answer of ${what}`,
          observe: (proxy) => {
            proxy.upstream('b1').replyWith({ bytes });
            return proxy.request('/');
          },
        }) satisfies ConformanceSuite['rows'][number],
    ),
    {
      title: '100-continue answered by the proxy',
      observe: (proxy) =>
        proxy.raw('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n', {
          thenSend: ['hello'],
        }),
    },
    {
      title: '100-continue answered by the upstream',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          at: 'head',
          bytes: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
        });
        return proxy.raw('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n', {
          port: 'CONTINUE',
          thenSend: ['hello'],
        });
      },
    },
    {
      title: 'three pipelined requests',
      observe: (proxy) =>
        proxy.raw(
          'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
          { answers: 3 },
        ),
    },
    {
      title: 'pipelined after a request that closes',
      observe: (proxy) =>
        proxy.raw(
          'GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
          {
            untilClosed: true,
          },
        ),
    },
    {
      title: 'empty lines before a request',
      observe: (proxy) => proxy.raw('\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    },
    {
      title: 'an absolute target',
      observe: (proxy) => proxy.raw('GET http://other.test/x?y HTTP/1.1\r\nHost: a\r\n\r\n'),
    },
    { title: 'OPTIONS *', observe: (proxy) => proxy.raw('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n') },
    { title: 'a megabyte up', observe: (proxy) => proxy.request('/', { method: 'POST', body: MEGABYTE }) },
    {
      title: 'a megabyte up in chunks',
      observe: (proxy) => proxy.raw(`${HEAD}\r\n${chunked(MEGABYTE, 10_000).toString('latin1')}`),
    },
    {
      title: 'a megabyte down',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: Buffer.concat([
            Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${MEGABYTE.length}\r\n\r\n`),
            MEGABYTE,
          ]),
        });
        return proxy.request('/');
      },
    },
    {
      title: 'a megabyte down in chunks',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: Buffer.concat([
            Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
            chunked(MEGABYTE, 3000),
          ]),
        });
        return proxy.request('/');
      },
    },
  ],
};
