import type { ConformanceSuite } from '../conformance-suite.js';

const reply = (fields: string): string => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${fields}\r\nok`;

export const headers: ConformanceSuite = {
  file: '08-headers',
  upstreams: ['b1'],
  rows: [
    { title: 'route, then virtual host, then table', observe: (proxy) => proxy.request('/order') },
    { title: 'without a header of the request', observe: (proxy) => proxy.request('/actions') },
    {
      title: 'with every header there already',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: reply(
            'X-Append: up\r\nX-Over: up\r\nX-Internal: 1\r\nX-Table-Removed: 1\r\nX-Level: up\r\n',
          ),
        });
        return proxy.request('/actions', {
          headers: [
            'x-append',
            'x-absent',
            'x-over',
            'x-only-over',
            'x-empty',
            'x-secret',
            'x-second-secret',
            'x-host-removed',
          ].map((name) => [name, 'client'] as const),
        });
      },
    },
    {
      title: 'with headers there twice',
      observe: (proxy) =>
        proxy.request('/actions', {
          headers: [
            ['x-append', '1'],
            ['x-append', '2'],
            ['x-over', '1'],
            ['x-over', '2'],
            ['x-secret', '1'],
            ['X-Secret', '2'],
          ],
        }),
    },
    {
      title: 'operators',
      observe: (proxy) => proxy.request('/operators?q=1', { headers: [['x-original', 'abcdef']] }),
    },
    { title: 'operators of what is missing', observe: (proxy) => proxy.request('/operators') },
    {
      title: 'operators of a response without a type',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ bytes: 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n' });
        return proxy.request('/operators');
      },
    },
    { title: 'operators of a local answer', observe: (proxy) => proxy.request('/local') },
    {
      title: 'headers of one hop are not passed on',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: reply(
            'Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: x\r\n',
          ),
        });
        return proxy.request('/hop', {
          headers: [
            ['Connection', 'keep-alive, x-mine'],
            ['x-mine', '1'],
            ['Keep-Alive', 'timeout=5'],
            ['TE', 'trailers, deflate'],
            ['Proxy-Connection', 'keep-alive'],
          ],
        });
      },
    },
    {
      title: 'Connection cannot take away what the proxy adds',
      observe: (proxy) => proxy.request('/hop', { headers: [['Connection', 'x-forwarded-proto, x-level']] }),
    },
    {
      title: 'unknown fields pass both ways, repeated ones in order',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: reply('Set-Cookie: a=1\r\nX-Odd_Name: 1\r\nSet-Cookie: b=2\r\nVary: A\r\nVary: B\r\n'),
        });
        return proxy.request('/pass', {
          headers: [
            ['Cookie', 'a=1'],
            ['X-Un_Known', 'ü'],
            ['Cookie', 'b=2'],
            ['Accept', 'a'],
            ['Accept', 'b'],
            ['Via', '1.1 x'],
          ],
        });
      },
    },
  ],
};
