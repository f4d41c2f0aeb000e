import type { ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

export const directResponses: ConformanceSuite = {
  file: '07-direct-responses',
  upstreams: ['b1'],
  rows: [
    ...[
      '/plain',
      '/empty',
      '/teapot',
      '/json',
      '/bytes',
      '/unavailable',
      '/unavailable-empty',
      '/tree/x',
      '/no-route',
    ].map((target) => ({ title: `GET ${target}`, observe: (proxy: RowContext) => proxy.request(target) })),
    ...['/plain', '/teapot', '/no-route'].map((target) => ({
      title: `HEAD ${target}`,
      observe: (proxy: RowContext) => proxy.request(target, { method: 'HEAD' }),
    })),
    {
      title: 'POST with a body that nobody reads',
      observe: (proxy: RowContext) => proxy.request('/echo', { method: 'POST', body: 'ignored' }),
    },
    ...['/plain', '/unavailable', '/no-route', '/teapot'].map((target) => ({
      title: `${target} asked for by gRPC`,
      observe: (proxy: RowContext) =>
        proxy.request(target, {
          method: 'POST',
          headers: [
            ['content-type', 'application/grpc'],
            ['te', 'trailers'],
          ],
          body: '',
        }),
    })),
    {
      title: 'two on one connection',
      observe: (proxy: RowContext) =>
        proxy.request('/plain', {
          answers: 2,
          thenSend: ['GET /tree/y HTTP/1.1\r\nHost: example.com\r\n\r\n'],
        }),
    },
    {
      title: 'and the connection closed as asked',
      observe: (proxy: RowContext) => proxy.request('/plain', { headers: [['connection', 'close']] }),
    },
  ] satisfies ConformanceSuite['rows'],
};
