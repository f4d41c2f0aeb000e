import type { ConformanceSuite } from '../conformance-suite.js';

const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n';
const ASK = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Version', '13'],
] as const;

export const upgrades: ConformanceSuite = {
  file: '16-upgrades',
  upstreams: ['b1'],
  rows: [
    ...(
      [
        ['taken by the listener', 'HTTP', '/chat'],
        ['taken by the route', 'WITHOUT', '/only-here'],
      ] as const
    ).map(
      ([what, port, target]) =>
        ({
          title: what,
          observe: (proxy) => {
            proxy.upstream('b1').replyWith({ bytes: SWITCH, at: 'head', then: 'echo' });
            return proxy.request(target, { port, headers: ASK, tunnel: 'hello through the tunnel' });
          },
        }) satisfies ConformanceSuite['rows'][number],
    ),
    {
      title: 'refused by the upstream',
      observe: (proxy) => {
        proxy
          .upstream('b1')
          .replyWith({ bytes: 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno', then: 'end' });
        return proxy.request('/chat', { headers: ASK });
      },
    },
    {
      title: 'answered 200 by the upstream',
      observe: (proxy) => {
        proxy
          .upstream('b1')
          .replyWith({ bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', then: 'end' });
        return proxy.request('/chat', { headers: ASK });
      },
    },
    { title: 'not for this route', observe: (proxy) => proxy.request('/not-here', { headers: ASK }) },
    {
      title: 'not for this listener',
      observe: (proxy) => proxy.request('/chat', { port: 'WITHOUT', headers: ASK }),
    },
    {
      title: 'another protocol',
      observe: (proxy) =>
        proxy.request('/chat', {
          headers: [
            ['Connection', 'Upgrade'],
            ['Upgrade', 'irc/6.9'],
          ],
        }),
    },
    {
      title: 'h2c is not an upgrade that is taken',
      observe: (proxy) =>
        proxy.request('/chat', {
          headers: [
            ['Connection', 'Upgrade, HTTP2-Settings'],
            ['Upgrade', 'h2c'],
            ['HTTP2-Settings', 'AAMAAABkAAQCAAAAAAIAAAAA'],
          ],
        }),
    },
    {
      title: 'in capitals, beside keep-alive',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ bytes: SWITCH, at: 'head', then: 'echo' });
        return proxy.request('/chat', {
          headers: [
            ['Connection', 'keep-alive, Upgrade'],
            ['Upgrade', 'WebSocket'],
          ],
          tunnel: 'x',
        });
      },
    },
    {
      title: 'Upgrade that Connection does not name',
      observe: (proxy) => proxy.request('/chat', { headers: [['Upgrade', 'websocket']] }),
    },
    {
      title: 'CONNECT where it is not taken',
      observe: (proxy) => proxy.raw('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n'),
    },
  ],
};
