import type { ConformanceSuite } from '../conformance-suite.js';

const many = (count: number): readonly (readonly [string, string])[] =>
  Array.from({ length: count }, (_, i) => [`x-${i}`, '1'] as const);

export const limits: ConformanceSuite = {
  file: '17-limits',
  upstreams: ['b1'],
  rows: [
    {
      title: 'a head within the limit',
      observe: (proxy) => proxy.request('/', { headers: [['x-long', 'a'.repeat(7000)]] }),
    },
    {
      title: 'a head beyond the limit',
      observe: (proxy) => proxy.request('/', { headers: [['x-long', 'a'.repeat(9000)]] }),
    },
    { title: 'a path beyond the limit', observe: (proxy) => proxy.request(`/${'a'.repeat(9000)}`) },
    { title: 'fields within the limit', observe: (proxy) => proxy.request('/', { headers: many(15) }) },
    { title: 'fields beyond the limit', observe: (proxy) => proxy.request('/', { headers: many(25) }) },
    {
      title: 'HTTP/1.0 where it is not taken',
      observe: (proxy) => proxy.raw('GET / HTTP/1.0\r\nHost: a\r\n\r\n'),
    },
    {
      title: 'HTTP/1.0 with a host',
      observe: (proxy) => proxy.raw('GET / HTTP/1.0\r\nHost: a\r\n\r\n', { port: 'HTTP10' }),
    },
    {
      title: 'HTTP/1.0 without a host',
      observe: (proxy) => proxy.raw('GET / HTTP/1.0\r\n\r\n', { port: 'HTTP10' }),
    },
    {
      title: 'HTTP/1.0 that wants to stay',
      observe: (proxy) =>
        proxy.raw('GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n', { port: 'HTTP10' }),
    },
    {
      title: 'a chunked answer for HTTP/1.0',
      observe: (proxy) => {
        proxy
          .upstream('b1')
          .replyWith({ bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' });
        return proxy.raw('GET / HTTP/1.0\r\nHost: a\r\n\r\n', { port: 'HTTP10', untilClosed: true });
      },
    },
    {
      title: 'a version that does not exist',
      observe: (proxy) => proxy.raw('GET / HTTP/1.2\r\nHost: a\r\n\r\n'),
    },
    ...['HTTP', 'REJECT', 'DROP'].map(
      (port) =>
        ({
          title: `a name with an underscore: ${port}`,
          observe: (proxy) =>
            proxy.request('/', {
              port,
              headers: [
                ['x_under', '1'],
                ['x-plain', '1'],
              ],
            }),
        }) satisfies ConformanceSuite['rows'][number],
    ),
    {
      title: 'the last request of a connection',
      observe: (proxy) =>
        proxy.request('/1', { port: 'MAX2', answers: 2, thenSend: ['GET /2 HTTP/1.1\r\nHost: a\r\n\r\n'] }),
    },
    {
      title: 'a body that does not come in time',
      observe: (proxy) =>
        proxy.raw('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc', { port: 'BOUNDED' }),
    },
    {
      title: 'a head that does not come in time',
      observe: (proxy) => proxy.raw('GET / HTTP/1.1\r\nHost: a\r\nX-', { port: 'BOUNDED' }),
    },
    { title: 'a connection on which nothing is sent', observe: (proxy) => proxy.raw('', { port: 'IDLE' }) },
    {
      title: 'an upstream that is silent for too long',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({});
        return proxy.request('/silent', { port: 'IDLE' });
      },
    },
  ],
};
