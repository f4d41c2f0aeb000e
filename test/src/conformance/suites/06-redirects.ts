import type { ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

const TARGETS = [
  '/https/a?b=c',
  '/scheme',
  '/host/a?b',
  '/port/x',
  '/path?keep=1',
  '/query-path?dropped=1',
  '/prefix/a/b?c',
  '/regex/a/b?c=d',
  '/strip?gone=1',
  '/keep-strip?gone=1',
  '/c302',
  '/c303',
  '/c307',
  '/c308',
  '/headers',
  '/nothing',
];

export const redirects: ConformanceSuite = {
  file: '06-redirects',
  upstreams: ['b1'],
  rows: [
    ...TARGETS.map((target) => ({
      title: `GET ${target}`,
      observe: (proxy: RowContext) => proxy.request(target),
    })),
    ...['example.com:80', 'example.com:8080', '[::1]:80', '[::1]', 'EXAMPLE.com'].flatMap((host) =>
      ['/https', '/scheme', '/port', '/host', '/path'].map((target) => ({
        title: `GET ${target} at ${host}`,
        observe: (proxy: RowContext) => proxy.request(target, { host }),
      })),
    ),
    {
      title: 'a POST redirected before its body is read',
      observe: (proxy: RowContext) => proxy.request('/c307', { method: 'POST', body: 'a body' }),
    },
    { title: 'HEAD', observe: (proxy: RowContext) => proxy.request('/https', { method: 'HEAD' }) },
    {
      title: 'a virtual host that requires TLS',
      observe: (proxy: RowContext) => proxy.request('/a?b', { port: 'TLSREQUIRED' }),
    },
    {
      title: 'a virtual host that requires TLS, behind a proxy that ended it',
      observe: (proxy: RowContext) =>
        proxy.request('/a?b', { port: 'TLSREQUIRED', headers: [['x-forwarded-proto', 'https']] }),
    },
  ] satisfies ConformanceSuite['rows'],
};
