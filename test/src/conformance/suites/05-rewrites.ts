import type { ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

const TARGETS = [
  '/api/v1/users',
  '/api/v1/',
  '/api/v1/users?x=1&y=2',
  '/whole',
  '/whole?q=/whole',
  '/sep',
  '/sep/a/b',
  '/sep?x',
  '/case/x',
  '/Case',
  '/strip/a',
  '/strip',
  '/stripped',
  '/strip?x=1',
  '/regex/a/b',
  '/regex/a/b/c?d=e',
  '/regex/a',
  '/every/banana?a=a',
  '/host/literal',
  '/host/auto',
  '/host/header',
  '/host/path/abc?x=1',
  '/host/forwarded',
  '/untouched?x=%2F',
];

export const rewrites: ConformanceSuite = {
  file: '05-rewrites',
  upstreams: ['b1', 'b2'],
  rows: [
    ...TARGETS.map((target) => ({
      title: `GET ${target}`,
      observe: (proxy: RowContext) => proxy.request(target),
    })),
    {
      title: 'host from a header',
      observe: (proxy: RowContext) =>
        proxy.request('/host/header', { headers: [['x-host', 'from-header.test']] }),
    },
    {
      title: 'an original path that the client made up',
      observe: (proxy: RowContext) =>
        proxy.request('/api/v1/x', { headers: [['x-envoy-original-path', '/made-up']] }),
    },
    {
      title: 'the host before, where there is one already',
      observe: (proxy: RowContext) =>
        proxy.request('/host/forwarded', { headers: [['x-forwarded-host', 'outer.test']] }),
    },
  ] satisfies ConformanceSuite['rows'],
};
