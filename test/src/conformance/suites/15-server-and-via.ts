import type { ConformanceSuite } from '../conformance-suite.js';

const SERVED =
  'HTTP/1.1 200 OK\r\nServer: origin\r\nVia: 1.1 inner\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Length: 0\r\n\r\n';

export const serverAndVia: ConformanceSuite = {
  file: '15-server-and-via',
  upstreams: ['b1'],
  rows: ['HTTP', 'APPEND', 'PASS', 'QUIET'].flatMap((port) => [
    {
      title: `${port}: an upstream that names itself`,
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ bytes: SERVED });
        return proxy.request('/', { port, headers: [['Via', '1.0 outer']] });
      },
    },
    { title: `${port}: an upstream that does not`, observe: (proxy) => proxy.request('/', { port }) },
    { title: `${port}: a local answer`, observe: (proxy) => proxy.request('/missing', { port }) },
    {
      title: `${port}: headers of Envoy’s own from the upstream`,
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes:
            'HTTP/1.1 200 OK\r\nX-Envoy-Upstream-Service-Time: 7\r\nX-Envoy-Overloaded: true\r\nX-Envoy-Immediate-Health-Check-Fail: true\r\nX-Envoy-Degraded: 1\r\nContent-Length: 0\r\n\r\n',
        });
        return proxy.request('/', { port });
      },
    },
  ]) satisfies ConformanceSuite['rows'],
};
