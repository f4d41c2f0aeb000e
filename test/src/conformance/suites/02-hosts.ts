import type { ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

const HOSTS = [
  'shop.example.com',
  'SHOP.Example.COM',
  'shop.example.com:80',
  'with-port.example.com:8080',
  'with-port.example.com',
  'other.example.com',
  'a.b.example.com',
  'example.com',
  'x.eu.example.com',
  'x-eu.example.com',
  '-eu.example.com',
  'shop.org',
  'shop.test.org',
  'shop.',
  'shop',
  'upper.test',
  'UPPER.test',
  '[::1]',
  '[::1]:80',
  '10.0.0.1',
  'unknown.test',
  'shop.example.com.',
];
const STRIPPED = [
  'shop.example.com',
  'shop.example.com:80',
  'shop.example.com:8080',
  'SHOP.example.com:1',
  'other.test:80',
];

export const hosts: ConformanceSuite = {
  file: '02-hosts',
  upstreams: ['b1'],
  rows: [
    ...HOSTS.map((host) => ({
      title: `Host: ${host}`,
      observe: (proxy: RowContext) => proxy.request('/', { host }),
    })),
    {
      title: 'a host whose only route does not match',
      observe: (proxy: RowContext) => proxy.request('/x', { host: 'partial.test' }),
    },
    ...STRIPPED.map((host) => ({
      title: `any port stripped from ${host}`,
      observe: (proxy: RowContext) => proxy.request('/', { host, port: 'STRIPPED' }),
    })),
    {
      title: 'the listener’s own port stripped',
      observe: (proxy: RowContext) =>
        proxy.request('/', { host: `shop.example.com:${proxy.port('MATCHING')}`, port: 'MATCHING' }),
    },
    {
      title: 'another port not stripped',
      observe: (proxy: RowContext) => proxy.request('/', { host: 'shop.example.com:1', port: 'MATCHING' }),
    },
    ...['a.test', 'a.test:9', 'a.test.', 'b.test'].map((host) => ({
      title: `ports ignored, trailing dot stripped: ${host}`,
      observe: (proxy: RowContext) => proxy.request('/', { host, port: 'CATCHALL' }),
    })),
  ] satisfies ConformanceSuite['rows'],
};
